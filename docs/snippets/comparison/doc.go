// Package comparison observes what docs/comparison.md says of this library and of others.
//
// The test of a cell is TestComparison/row/library. It computes the text of the cell from what
// it observes, and fails if the document has another. Each file has the rows of one topic. A
// missing capability is observed as a hang, as the end of a process, or as the lack of any
// exported declaration that could be it.
package comparison
