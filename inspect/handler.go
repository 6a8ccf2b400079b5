package inspect

import (
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/channel-native/future/inspect/internal/served"
)

// Handler returns a handler that serves a page of the pending futures: see the documentation of
// the package. Every request takes a Snapshot of its own. The parameter format chooses another
// output: text, tree, json and pprof are those of WriteText, WriteTree, WriteJSON and
// WriteProfile. The handler answers GET and HEAD. It works on any path, and tells nobody apart:
// whoever may see the page sees the names of functions, files and pools, and never a value.
//
// The page updates itself each second, for as long as it is seen, and less often if that takes more
// than a tenth of a core. The stream of updates ends with the Shutdown of the server.
func Handler() http.Handler { return newHandler(Take) }

func init() {
	served.Handler = func(take any) http.Handler { return newHandler(take.(func() *Snapshot)) }
}

// A handler serves the page and the other outputs.
type handler struct {
	take func() *Snapshot

	mu     sync.Mutex
	ending map[*http.Server]chan struct{} // closed when the server shuts down; guarded by mu
}

func newHandler(take func() *Snapshot) *handler {
	return &handler{take: take, ending: make(map[*http.Server]chan struct{})}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	switch format := r.URL.Query().Get("format"); format {
	case "":
		w.Header().Set("Content-Security-Policy", contentSecurityPolicy)
		h.serve(w, r, "text/html; charset=utf-8", func(s *Snapshot, w io.Writer) error {
			return newView(s, r.URL).writePage(w)
		})
	case "text":
		h.serve(w, r, "text/plain; charset=utf-8", (*Snapshot).WriteText)
	case "tree":
		h.serve(w, r, "text/plain; charset=utf-8", (*Snapshot).WriteTree)
	case "json":
		h.serve(w, r, "application/json", (*Snapshot).WriteJSON)
	case "pprof":
		w.Header().Set("Content-Disposition", `attachment; filename="futures.pb.gz"`)
		h.serve(w, r, "application/octet-stream", (*Snapshot).WriteProfile)
	case "events":
		h.serveEvents(w, r)
	default:
		http.Error(w, fmt.Sprintf("unknown format %q: want text, tree, json or pprof", format), http.StatusBadRequest)
	}
}

// serve answers with what write writes. An error of write is one of the connection, and ends the
// answer.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, contentType string, write func(*Snapshot, io.Writer) error) {
	w.Header().Set("Content-Type", contentType)
	if r.Method == http.MethodGet {
		_ = write(h.take(), w)
	}
}
