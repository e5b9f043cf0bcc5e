package figures

import (
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
)

const (
	frames     = 150 // of the film of bodies
	frameDelay = 8   // hundredths of a second
	filmDPI    = 110
	tail       = 0.2 // of the example's time
)

// filmOrbits films the bodies of the example, with a tail behind each, and returns the path of the GIF.
func filmOrbits(folder string, a *analysis.Analysis) (string, error) {
	return animate(filepath.Join(folder, a.Task.Name+".gif"), frames, bodyPalette(a), func(i int) *figure {
		return orbitFrame(a, i*(len(a.Sources[0].Example.Times)-1)/(frames-1))
	})
}

// filmImages films the images of the example, and returns the path of the GIF.
func filmImages(folder string, a *analysis.Analysis) (string, error) {
	path := filepath.Join(folder, a.Task.Name+".gif")
	return animate(path, len(a.Sources[0].Film), greys(), func(i int) *figure {
		f := &figure{width: 150, height: 160, square: 1, rows: make([][]*plot.Plot, 1)}
		for _, s := range a.Sources {
			f.rows[0] = append(f.rows[0], picture(s.Title, fmt.Sprintf("frame %d", i), s.Film[i], a.Task.ImageSide))
		}
		return f
	})
}

// animate writes a GIF of n frames in at most 256 colours, and returns its path.
func animate(path string, n int, colors color.Palette, build func(i int) *figure) (string, error) {
	movie := gif.GIF{Image: make([]*image.Paletted, n), Delay: make([]int, n)}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error {
			f := build(i)
			movie.Image[i], movie.Delay[i] = paletted(f.raster(filmDPI), colors), frameDelay
			return f.err
		})
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	return path, write(path, func(w io.Writer) error { return gif.EncodeAll(w, &movie) })
}

// paletted gives each pixel the nearest colour of a palette. Package image/draw searches the palette for every pixel; this looks each of a
// figure's few colours up once.
func paletted(raster image.Image, colors color.Palette) *image.Paletted {
	bounds := raster.Bounds()
	p := image.NewPaletted(bounds, colors)
	nearest := map[color.Color]uint8{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := raster.At(x, y)
			index, ok := nearest[c]
			if !ok {
				index = uint8(colors.Index(c))
				nearest[c] = index
			}
			p.Pix[p.PixOffset(x, y)] = index
		}
	}
	return p
}

// orbitFrame shows the sources side by side at one time of the example.
func orbitFrame(a *analysis.Analysis, now int) *figure {
	f := &figure{width: 190, height: 195, square: 1, rows: make([][]*plot.Plot, 1)}
	reach := orbitReach(a)
	for _, s := range a.Sources {
		times := s.Example.Times
		p := panel(s.Title, fmt.Sprintf("t = %.1f", times[now]), "")
		p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks{}, plot.ConstantTicks{}
		path := s.Example.States[0][max(0, now-int(tail*float64(len(times)))) : now+1]
		for body := range a.Task.Bodies {
			x, y := place(path, a.Task.Bodies, body)
			if len(path) > 1 {
				f.line(p, x, y, style(shade(s, body), 1.2, solid))
			}
			f.dots(p, plotter.XYs{{X: x[len(x)-1], Y: y[len(y)-1]}}, shade(s, body), 4)
		}
		limits(&p.X, -reach, reach)
		limits(&p.Y, -reach, reach)
		f.rows[0] = append(f.rows[0], p)
	}
	return f
}

// shade is the colour of a body: that of its source in a lightness of its own.
func shade(s *analysis.Source, body int) color.NRGBA {
	return lighter(s.Color, 0.35*float64(body))
}

// bodyPalette holds the colours of the bodies, each in steps towards white for the edges.
func bodyPalette(a *analysis.Analysis) color.Palette {
	steps := max(2, min(16, 256/(len(a.Sources)*a.Task.Bodies)))
	var colors color.Palette
	for _, s := range a.Sources {
		for body := range a.Task.Bodies {
			for step := range steps {
				colors = append(colors, lighter(shade(s, body), float64(step)/float64(steps-1)))
			}
		}
	}
	return colors
}

func greys() color.Palette {
	var colors color.Palette
	for v := 0; v < 256; v += 3 {
		colors = append(colors, color.Gray{uint8(v)})
	}
	return colors
}

// filmstrip shows every twentieth frame of the example, a row for each source.
func filmstrip(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-filmstrip", width: 62, height: 70, rows: make([][]*plot.Plot, len(a.Sources)), square: len(a.Sources)}
	for row, s := range a.Sources {
		for i := 0; i < len(s.Film); i += 20 {
			p := picture("", "", s.Film[i], a.Task.ImageSide)
			if row == 0 {
				p.Title.Text = fmt.Sprintf("frame %d", i)
			}
			if i == 0 {
				p.Y.Label.Text = s.Title
			}
			p.Title.TextStyle.Font, p.Y.Label.TextStyle.Font = face(7), face(7)
			f.rows[row] = append(f.rows[row], p)
		}
	}
	return f
}

// picture is a panel that shows a frame of side×side bytes.
func picture(title, label string, frame []byte, side int) *plot.Plot {
	p := panel(title, label, "")
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Tick.Marker, axis.LineStyle.Width = plot.ConstantTicks{}, 0
		limits(axis, 0, 1)
	}
	p.Add(plotter.NewImage(enlarge(frame, side), 0, 0, 1, 1))
	return p
}

// enlarge draws the bytes of a frame dark on light, each as a square, so that no viewer smooths it.
func enlarge(frame []byte, side int) image.Image {
	const zoom = 8
	enlarged := image.NewGray(image.Rect(0, 0, side*zoom, side*zoom))
	for y := range side * zoom {
		for x := range side * zoom {
			enlarged.SetGray(x, y, color.Gray{255 - 2*min(127, frame[y/zoom*side+x/zoom])})
		}
	}
	return enlarged
}
