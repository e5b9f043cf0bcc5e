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
	frames     = 150
	frameDelay = 8 // hundredths of a second
	filmDPI    = 110
	tail       = 0.2 // of the example's time
)

// shade is the colour of a body, its source's in a lightness of its own.
func shade(s analysis.Source, body int) color.NRGBA {
	return lighter(colorOf(s), 0.35*float64(body))
}

// film draws the bodies of the example on their way, with a tail behind each, and returns the path of the GIF.
func film(folder string, a *analysis.Analysis) (string, error) {
	return animate(filepath.Join(folder, a.Task.Name+".gif"), frames, filmPalette(a.Task.Bodies), func(i int) (figure, error) {
		return frame(a, i*(len(a.Example.Times)-1)/(frames-1))
	})
}

// animate writes a GIF of n frames and returns its path.
func animate(path string, n int, colors color.Palette, build func(i int) (figure, error)) (string, error) {
	movie := gif.GIF{Image: make([]*image.Paletted, n), Delay: make([]int, n)}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error {
			f, err := build(i)
			if err != nil {
				return err
			}
			movie.Image[i], movie.Delay[i] = paletted(f.raster(filmDPI), colors), frameDelay
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	return path, write(path, func(w io.Writer) error { return gif.EncodeAll(w, &movie) })
}

// paletted gives each pixel of a picture the nearest colour of a palette. Package image/draw searches the palette for every pixel;
// a figure has few colours, and each is looked up once.
func paletted(picture image.Image, colors color.Palette) *image.Paletted {
	bounds := picture.Bounds()
	p := image.NewPaletted(bounds, colors)
	nearest := map[color.Color]uint8{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := picture.At(x, y)
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

// frame shows the three sources side by side at one time of the example.
func frame(a *analysis.Analysis, now int) (figure, error) {
	f := figure{name: "frame", width: 190, height: 195, square: 1, rows: make([][]*plot.Plot, 1)}
	reach := orbitReach(a)
	first := max(0, now-int(tail*float64(len(a.Example.Times))))
	for _, s := range analysis.Sources {
		p := panel(s.String(), fmt.Sprintf("t = %.1f", a.Example.Times[now]), "")
		p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks{}, plot.ConstantTicks{}
		path := a.Example.Paths[s][0][first : now+1]
		for body := range a.Task.Bodies {
			x, y := analysis.Column(path, body), analysis.Column(path, a.Task.Bodies+body)
			if len(path) > 1 {
				if err := line(p, x, y, style(shade(s, body), 1.2, solid)); err != nil {
					return f, err
				}
			}
			if err := dots(p, plotter.XYs{{X: x[len(x)-1], Y: y[len(y)-1]}}, shade(s, body), 4); err != nil {
				return f, err
			}
		}
		limits(&p.X, -reach, reach)
		limits(&p.Y, -reach, reach)
		f.rows[0] = append(f.rows[0], p)
	}
	return f, nil
}

// filmPalette holds the colours of the bodies and greys, each in steps towards white for the edges.
func filmPalette(bodies int) color.Palette {
	const steps = 16
	var colors color.Palette
	for _, s := range analysis.Sources {
		for body := range bodies {
			for step := range steps {
				colors = append(colors, lighter(shade(s, body), float64(step)/(steps-1)))
			}
		}
	}
	return colors
}
