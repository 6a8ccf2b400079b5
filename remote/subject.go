package remote

import (
	"crypto/rand"
	"strings"
)

// Where does a call have its messages?
//
// The id of a call is "home.number", where home is the name of the client that made it, or the
// token that the caller chose. All subjects of a call end with home and number, so that each
// client can subscribe to the outcomes of its own calls alone. A chosen id has the home "_".

// The kinds of subjects, the second token.
const (
	jobKind    = "job"    // in JOBS: the request
	outKind    = "out"    // in OUT: the outcome
	doneKind   = "done"   // the outcome again, once it is stored
	cancelKind = "cancel" // in CTL: a request to stop the handler
	deadKind   = "dead"   // in DEAD: the request, with the reason
	progKind   = "prog"   // in NOTES: the last progress
	shownKind  = "shown"  // the progress again, once it is stored
	tryKind    = "try"    // in NOTES: how many attempts have failed
)

const chosenHome = "_"

const (
	maxChosenID = 128              // bytes
	maxID       = maxChosenID + 32 // with the mark of a retry
)

// subject returns the subject of one kind for the call id.
func (c *Client) subject(kind, id string) string {
	if !strings.Contains(id, ".") {
		id = chosenHome + "." + id
	}
	return c.cfg.namespace + "." + kind + "." + id
}

// parseSubject returns the kind of a subject and the id of its call.
func parseSubject(subject string) (kind, id string) {
	parts := strings.Split(subject, ".")
	if len(parts) != 4 {
		return "", ""
	}
	if parts[2] == chosenHome {
		return parts[1], parts[3]
	}
	return parts[1], parts[2] + "." + parts[3]
}

// isID reports whether id can be that of a call.
func isID(id string) bool {
	home, number, made := strings.Cut(id, ".")
	return len(id) <= maxID && isToken(home) && home != chosenHome && (!made || isToken(number))
}

// isToken reports whether s consists of letters, digits, - and _.
func isToken(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return false
		}
	}
	return s != ""
}

// newHome returns a name that no other client has.
func newHome() string { return strings.ToLower(rand.Text()[:13]) }
