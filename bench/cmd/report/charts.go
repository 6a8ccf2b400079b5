package main

import (
	"bytes"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A chart is an image file. The page shows it below the table of its scenario, or below the summary
// if scenario is empty.
type chart struct{ scenario, file, alt string }

// drawCharts draws the charts of r and saves them in dir.
func drawCharts(r *run, dir string) (charts []chart, err error) {
	looks := assignLooks(r)
	save := func(f *figure, c chart) error {
		charts = append(charts, c)
		return f.save(filepath.Join(dir, c.file))
	}
	if f := overview(r, looks); f != nil {
		if err := save(f, chart{"", "overview.svg", "Cost of each library relative to hand-written code, by scenario"}); err != nil {
			return nil, err
		}
	}
	if f := service(r, looks); f != nil {
		if err := save(f, chart{"Service", "service.svg", "CPU time of a request to a service relative to hand-written code, by load"}); err != nil {
			return nil, err
		}
	}
	for _, group := range r.kinds() {
		f, err := bySize(group, looks)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		kind := group[0].kind()
		if err := save(f, chart{group[0].scenario, "size-" + slug(kind) + ".svg", kind + ": cost by size"}); err != nil {
			return nil, err
		}
	}
	return charts, nil
}

var notWord = regexp.MustCompile(`[^a-z0-9]+`)

func slug(s string) string {
	return strings.Trim(notWord.ReplaceAllString(strings.ToLower(s), "-"), "-")
}

// A figure is a plot with its legend beside it, so that the legend hides no points.
type figure struct {
	*plot.Plot
	legend        plot.Legend
	width, height vg.Length
}

func init() { plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"} }

func newFigure(title string, width, height vg.Length) *figure {
	f := &figure{plot.New(), plot.NewLegend(), width, height}
	f.Title.Text = title
	f.Title.Padding = vg.Points(8)
	f.legend.Top, f.legend.Left = true, true
	f.legend.Padding = vg.Points(3)
	f.legend.YOffs = -vg.Points(28)
	return f
}

const (
	legendWidth = vg.Length(180)
	margin      = vg.Length(6)
)

func (f *figure) save(path string) error {
	canvas := vgsvg.New(f.width, f.height)
	c := draw.New(canvas)
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	f.Draw(draw.Crop(c, margin, -legendWidth, margin, -margin))
	f.legend.Draw(draw.Crop(c, f.width-legendWidth+margin, 0, 0, 0))
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return err
	}
	// The layout uses the metrics of Liberation Sans, which is not installed everywhere.
	text := bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif"))
	return os.WriteFile(path, text, 0o644)
}

// A look is the style of a library's points and lines, the same in all charts.
type look struct {
	draw.GlyphStyle
	draw.LineStyle
}

var (
	// palette begins with the colors of Okabe and Ito, which the color-blind can distinguish.
	palette = []color.Color{
		color.RGBA{0, 114, 178, 255}, color.RGBA{230, 159, 0, 255}, color.RGBA{0, 158, 115, 255},
		color.RGBA{204, 121, 167, 255}, color.RGBA{86, 180, 233, 255}, color.RGBA{148, 103, 60, 255},
		color.RGBA{120, 94, 240, 255}, color.RGBA{180, 170, 30, 255},
	}
	shapes = []draw.GlyphDrawer{draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.RingGlyph{}, draw.PyramidGlyph{}, draw.PlusGlyph{}, draw.CrossGlyph{}, draw.BoxGlyph{}}
	ours   = color.RGBA{213, 40, 20, 255}
	grey   = color.RGBA{110, 110, 110, 255}
)

// assignLooks returns the looks of all libraries. This library is red, and hand-written code is gray.
func assignLooks(r *run) map[string]look {
	var libs []string
	for _, b := range r.blocks {
		for _, row := range b.rows {
			libs = append(libs, row.lib)
		}
	}
	slices.Sort(libs)
	looks := map[string]look{}
	rivals, bares, others := 0, 0, 0
	for _, lib := range slices.Compact(libs) {
		switch {
		case lib == "future":
			looks[lib] = newLook(ours, draw.CircleGlyph{}, 4, 2.2, nil)
		case isOurs(lib):
			looks[lib] = newLook(ours, shapes[others%len(shapes)], 3, 1, []vg.Length{vg.Points(4), vg.Points(2)})
			others++
		case isBare(lib):
			looks[lib] = newLook(grey, shapes[bares%len(shapes)], 2.5, 1, []vg.Length{vg.Points(2), vg.Points(2)})
			bares++
		default:
			looks[lib] = newLook(palette[rivals%len(palette)], shapes[rivals%len(shapes)], 3, 1.2, nil)
			rivals++
		}
	}
	return looks
}

func newLook(c color.Color, shape draw.GlyphDrawer, radius, width float64, dashes []vg.Length) look {
	return look{
		draw.GlyphStyle{Color: c, Radius: vg.Points(radius), Shape: shape},
		draw.LineStyle{Color: c, Width: vg.Points(width), Dashes: dashes},
	}
}

// legendOrder sorts libs for a legend or a table: this library, hand-written code, rivals. It
// removes duplicates.
func legendOrder(libs []string) []string {
	class := func(lib string) string {
		switch {
		case isOurs(lib):
			return "0" + lib
		case isRival(lib):
			return "2" + lib
		}
		return "1" + lib
	}
	slices.SortFunc(libs, func(a, b string) int { return strings.Compare(class(a), class(b)) })
	return slices.Compact(libs)
}

// overview returns a figure of the ratio of each library to the fastest hand-written code, for each
// kind of scenario. It returns nil if no scenario has hand-written code.
func overview(r *run, looks map[string]look) *figure {
	return ratios("Cost relative to the fastest hand-written code (geometric mean over sizes; left is better)", r.kinds(), (*block).kind, looks)
}

// service returns a figure of these ratios for each load of the service, or nil.
func service(r *run, looks map[string]look) *figure {
	var loads [][]*block
	for _, b := range r.blocks {
		if b.measuresService() {
			loads = append(loads, []*block{b})
		}
	}
	load := func(b *block) string { return b.params[0].value }
	return ratios("A service: CPU time of a request, relative to hand-written code (left is better)", loads, load, looks)
}

// ratios returns a figure with a line for each group that has hand-written code, or nil if there is
// none.
func ratios(title string, groups [][]*block, name func(*block) string, looks map[string]look) *figure {
	var names []string
	points := map[string]plotter.XYs{}
	for _, group := range slices.Backward(groups) { // the first one is at the top
		ratios := map[string][]float64{}
		for _, b := range group {
			for _, row := range b.rows {
				if v := b.over(row, isBare); !math.IsNaN(v) && !isBare(row.lib) {
					ratios[row.lib] = append(ratios[row.lib], v)
				}
			}
		}
		if len(ratios) == 0 {
			continue
		}
		for lib, vs := range ratios {
			points[lib] = append(points[lib], plotter.XY{X: mean(vs), Y: float64(len(names))})
		}
		names = append(names, name(group[0]))
	}
	if len(names) == 0 {
		return nil
	}
	f := newFigure(title, 810, max(vg.Length(90+19*len(names)), 190))
	f.NominalY(names...)
	f.Y.Padding = vg.Points(8)
	f.X.Scale = plot.LogScale{}
	// The axis has no label: package plot would place it as if the axis were linear.
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{225}, color.Gray{240}
	f.Add(grid)
	top := float64(len(names)) - 0.5
	one := &plotter.Line{XYs: plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: top}}, LineStyle: draw.LineStyle{Color: grey, Width: vg.Points(1.5)}}
	f.Add(one)
	f.legend.Add("by hand", one)
	libs := legendOrder(keys(points))
	for _, lib := range libs {
		f.legend.Add(lib, &plotter.Scatter{GlyphStyle: looks[lib].GlyphStyle})
	}
	slices.Reverse(libs) // this library is drawn last, above the others
	for _, lib := range libs {
		f.Add(&plotter.Scatter{XYs: points[lib], GlyphStyle: looks[lib].GlyphStyle})
	}
	f.Y.Min, f.Y.Max = -0.5, top
	f.X.Min, f.X.Max = min(f.X.Min, 0.5)*0.9, f.X.Max*1.1
	f.X.Tick.Marker = decades{1, 2, 5}
	if f.X.Max < 5 {
		f.X.Tick.Marker = nearOne{}
	}
	return f
}

func keys[V any](m map[string]V) (ks []string) {
	for k := range m {
		ks = append(ks, k)
	}
	return ks
}

// bySize returns a figure of the cost of each library by size. It returns nil if there are fewer than three sizes.
func bySize(group []*block, looks map[string]look) (*figure, error) {
	key, n := group[0].size()
	if len(group) < 3 || n <= 0 {
		return nil, nil
	}
	points := map[string]plotter.XYs{}
	for _, b := range group {
		_, n := b.size()
		for _, row := range b.rows {
			points[row.lib] = append(points[row.lib], plotter.XY{X: float64(n), Y: row.cost})
		}
	}
	f := newFigure(group[0].kind(), 670, 360)
	f.X.Scale, f.Y.Scale = plot.LogScale{}, plot.LogScale{}
	f.X.Tick.Marker, f.Y.Tick.Marker = decades{1}, decades{1, 2, 5}
	f.X.Label.Text = key
	f.Y.Label.Text = "ns per item"
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{225}, color.Gray{225}
	f.Add(grid)
	libs := legendOrder(keys(points))
	lines := map[string]*plotter.Line{}
	for _, lib := range libs {
		line, dots, err := plotter.NewLinePoints(points[lib])
		if err != nil {
			return nil, err
		}
		line.LineStyle, dots.GlyphStyle = looks[lib].LineStyle, looks[lib].GlyphStyle
		lines[lib] = line
		f.legend.Add(lib, line, dots)
	}
	slices.Reverse(libs)
	for _, lib := range libs {
		f.Add(lines[lib], &plotter.Scatter{XYs: points[lib], GlyphStyle: looks[lib].GlyphStyle})
	}
	f.Y.Min, f.Y.Max = f.Y.Min*0.8, f.Y.Max*1.25
	return f, nil
}

// decades has ticks at all multiples of the powers of ten, with labels for those in the list.
type decades []float64

func (d decades) Ticks(lo, hi float64) (ticks []plot.Tick) {
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < lo || v > hi {
				continue
			}
			label := ""
			if slices.Contains(d, m) {
				label = strconv.FormatFloat(v, 'g', 6, 64)
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: label})
		}
	}
	return ticks
}

// nearOne has ticks for ratios that are close to 1.
type nearOne struct{}

func (nearOne) Ticks(lo, hi float64) (ticks []plot.Tick) {
	for _, v := range []float64{0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.5, 2, 3, 4} {
		if lo <= v && v <= hi {
			ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 2, 64)})
		}
	}
	return ticks
}
