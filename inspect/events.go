package inspect

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// serveEvents serves a stream of updates of the page, as an EventSource reads them, until the
// client leaves or the server shuts down. The first update has all of the page, the others what
// has changed.
func (h *handler) serveEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	control := http.NewResponseController(w)
	if err := control.Flush(); err != nil {
		http.Error(w, "cannot stream: "+err.Error(), http.StatusNotImplemented)
		return
	}
	shutdown := h.shutdown(r)
	var shown shown
	for {
		start := time.Now()
		// The WriteTimeout of the server counts from the beginning of the request. If w
		// does not support a deadline of its own, the client connects again.
		_ = control.SetWriteDeadline(start.Add(time.Minute))
		u, err := shown.update(newView(h.take(), r.URL))
		if err != nil {
			return
		}
		data, err := json.Marshal(u)
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "retry: 1000\ndata: %s\n\n", data); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
		select {
		case <-time.After(max(time.Second, 9*time.Since(start))):
		case <-r.Context().Done():
			return
		case <-shutdown:
			return
		}
	}
}

// shutdown returns a channel that is closed when the server of r shuts down. Otherwise its Shutdown
// would wait until the client leaves.
func (h *handler) shutdown(r *http.Request) <-chan struct{} {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending[server] == nil {
		ending := make(chan struct{})
		server.RegisterOnShutdown(sync.OnceFunc(func() { close(ending) }))
		h.ending[server] = ending
	}
	return h.ending[server]
}

// An update says what has changed on the page.
type update struct {
	Now    int64             `json:"now"`              // in milliseconds, when the snapshot was taken
	Reload bool              `json:"reload,omitempty"` // recording is off, which is another page
	Parts  map[string]string `json:"parts,omitempty"`  // HTML by the id of the element around it
	Rows   map[string]string `json:"rows,omitempty"`   // HTML by key
	Order  []string          `json:"order,omitzero"`   // the keys of all rows, if that has changed
}

// shown is what a client shows.
type shown struct {
	parts, rows map[string]string
	order       []string
}

// update makes v the view that the client shows, and returns what changes by that.
func (c *shown) update(v *view) (update, error) {
	u := update{Now: v.Taken.UnixMilli(), Reload: v.Since.IsZero()}
	parts, rows, order, err := v.render()
	if err != nil {
		return u, err
	}
	u.Parts, u.Rows = changed(c.parts, parts), changed(c.rows, rows)
	if c.order == nil || !slices.Equal(c.order, order) {
		u.Order = order
	}
	c.parts, c.rows, c.order = parts, rows, order
	return u, nil
}

// changed returns what is in is and not in was, apart from the text of times: the page counts those
// by itself.
func changed(was, is map[string]string) map[string]string {
	diff := maps.Clone(is)
	maps.DeleteFunc(diff, func(key, html string) bool {
		old, ok := was[key]
		return ok && (old == html || withoutTimes(old) == withoutTimes(html))
	})
	return diff
}

// timeElement matches a time of the page, and has its first tag as a group.
var timeElement = regexp.MustCompile(`(<time [^>]*>)[^<]*</time>`)

func withoutTimes(html string) string { return timeElement.ReplaceAllString(html, "$1") }
