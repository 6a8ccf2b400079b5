package inspect

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"strconv"
	"strings"
	"sync"
)

// The limits of the page. It says how many it leaves out.
const (
	maxRows    = 200 // groups, or futures
	maxMembers = 20  // futures of an unfolded group
	maxBelow   = 100 // futures below an unfolded one, in each direction
	maxRings   = 10
	maxOfRing  = 12 // futures of one ring
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// contentSecurityPolicy permits the style and the script of the page, and nothing else but requests
// to the server that it comes from.
var contentSecurityPolicy = strings.Join([]string{
	"default-src 'none'",
	"style-src " + source(pageCSS),
	"script-src " + source(pageJS),
	"connect-src 'self'",
	"form-action 'self'",
	"img-src data:",
	"base-uri 'none'",
	"frame-ancestors 'none'",
}, "; ")

// source returns the source expression of an inline script or style.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// pageTemplate returns the templates of the page. A program that never serves it does not parse
// them.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"bar":      barOf,
		"comma":    comma[int],
		"comma64":  comma[uint64],
		"cut":      cut,
		"hash":     hash,
		"plural":   plural,
		"position": Frame.position,
		"short":    shortFunc,
	}).Parse(pageHTML))
})

// writePage writes the page.
func (v *view) writePage(w io.Writer) error { return pageTemplate().ExecuteTemplate(w, "page", v) }

// Style and Script return the elements with the style and the script. The policy has the hashes of
// their contents.
func (v *view) Style() template.HTML  { return template.HTML("<style>" + pageCSS + "</style>") }
func (v *view) Script() template.HTML { return template.HTML("<script>" + pageJS + "</script>") }

// render returns the parts and rows of the page as HTML, and the keys of the rows in order.
func (v *view) render() (parts, rows map[string]string, order []string, err error) {
	parts, rows = make(map[string]string), make(map[string]string)
	var b strings.Builder
	execute := func(name string, data any) string {
		b.Reset()
		if err == nil {
			err = pageTemplate().ExecuteTemplate(&b, name, data)
		}
		return b.String()
	}
	for _, name := range []string{"status", "warnings", "pools", "switch", "head", "rest"} {
		parts[name] = execute(name, v)
	}
	order = make([]string, len(v.Rows))
	for i, r := range v.Rows {
		order[i] = r.Key
		rows[r.Key] = execute("row", r)
	}
	return parts, rows, order, err
}

// comma returns n with commas between the thousands.
func comma[N int | uint64](n N) string {
	s := strconv.FormatUint(uint64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural returns n and a noun, with an s unless n is 1.
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return comma(n) + " " + noun
}
