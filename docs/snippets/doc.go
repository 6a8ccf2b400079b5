// Package snippets has the code of the documents, as tests that run it.
//
// A snippet is the code between two comments, with the indentation of the first one:
//
//	// In recipes.md:
//	…
//	// End.
//
// The document shows it as a block of Go code. TestDocuments fails if a document shows Go code
// that is no snippet of it, or if a snippet is not shown. So an example is changed in both
// places. Snippets of README.md and doc.go that need no other module are in the tests of the
// root module.
package snippets
