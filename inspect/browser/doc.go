// Package browser tests the page of package inspect in a browser.
package browser
