package inspect

import (
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// shortFunc returns the name of a function without the directories of its package.
func shortFunc(name string) string {
	end := len(name)
	if i := strings.IndexByte(name, '['); i >= 0 {
		end = i // type arguments have slashes of their own
	}
	return name[strings.LastIndexByte(name[:end], '/')+1:]
}

// cut returns s with at most n characters: it leaves out those in the middle.
func cut(s string, n int) string {
	length := utf8.RuneCountInString(s)
	if length <= n {
		return s
	}
	runes := []rune(s)
	head := n / 2
	return string(runes[:head]) + "…" + string(runes[length-(n-head-1):])
}

// position returns the file, without its directory, and the line of f.
func (f Frame) position() string { return fmt.Sprintf("%s:%d", path.Base(f.File), f.Line) }

// place returns the function and the position of the innermost frame, or "" if there is none.
func place(stack []Frame) string {
	if len(stack) == 0 {
		return ""
	}
	return shortFunc(stack[0].Func) + " " + stack[0].position()
}

// ageText returns d with two digits or two units: 0.3s, 42s, 3m12s, 5h03m, 2d07h.
// The page has the same function, in JavaScript.
func ageText(d time.Duration) string {
	s := int(d / time.Second)
	switch {
	case d < 10*time.Second:
		tenths := int(d / (time.Second / 10))
		return fmt.Sprintf("%d.%ds", tenths/10, tenths%10)
	case d < time.Minute:
		return fmt.Sprintf("%ds", s)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
}

// timeText returns t for people.
func timeText(t time.Time) string { return t.Format("2006-01-02 15:04:05.000 MST") }
