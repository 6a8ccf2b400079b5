package snippets_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/inspect"
)

func TestDebugging_Mount(t *testing.T) {
	// In debugging.md:
	stop := inspect.Start()
	defer stop()
	http.Handle("/debug/futures", inspect.Handler())
	// End.

	p := future.NewPromise[int]()
	defer p.Cancel()
	answer := httptest.NewRecorder()
	http.DefaultServeMux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/debug/futures?format=text", nil))
	text, err := io.ReadAll(answer.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "TestDebugging_Mount") {
		t.Errorf("the promise is not shown:\n%s", text)
	}
}
