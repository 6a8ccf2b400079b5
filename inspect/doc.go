// Package inspect shows which futures are pending, and why.
package inspect
