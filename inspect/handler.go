package inspect

import (
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/channel-native/future/inspect/internal/served"
)

// Handler returns a handler that serves a page about the pending futures. It works on any path, and
// is safe for concurrent use. Each request takes a [Snapshot] of its own.
//
// The parameter format of the query chooses another output: text, tree, json and pprof are those of
// WriteText, WriteTree, WriteJSON and WriteProfile. Other methods than GET and HEAD are refused.
// While futures are not recorded, the page says how to start that.
//
// The page updates itself each second, or less often if that would take more than a tenth of a
// core. Its stream of updates ends when the page is left or hidden, and when the server shuts
// down. The page loads nothing from elsewhere, and works without JavaScript.
//
// The handler asks nobody who they are. Names of functions, files and pools are shown, and values
// of futures never.
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
