// Package remote provides futures whose work runs on other machines.
package remote
