package figures

import (
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
	"hnn/internal/panels"
)

const frames = 150 // of the film of bodies

// filmOrbits films the bodies of the example side by side, with a tail behind each.
func filmOrbits(a *analysis.Analysis) *figure {
	const tail = 0.2 // of the example's time
	reach := orbitReach(a)
	return &figure{name: a.Task.Name + ".gif", frames: frames, colors: bodyPalette(a), frame: func(i int) *figure {
		f := &figure{Figure: panels.Figure{Width: 190, Height: 195, Square: 1}}
		for _, s := range a.Sources {
			times := s.Example.Times
			now := i * (len(times) - 1) / (frames - 1)
			p := f.Panel(0, s.Title, fmt.Sprintf("t = %.1f", times[now]), "")
			p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks{}, plot.ConstantTicks{}
			path := s.Example.States[0][max(0, now-int(tail*float64(len(times)))) : now+1]
			for body, track := range tracks(a.Task.Bodies, path) {
				f.line(p, track, panels.Style(shade(s, body), 1.2, panels.Solid))
				f.dots(p, track[len(track)-1:], shade(s, body), 4)
			}
			p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -reach, reach, -reach, reach
		}
		return f
	}}
}

// filmImages films the images of the example.
func filmImages(a *analysis.Analysis) *figure {
	return &figure{name: a.Task.Name + ".gif", frames: len(a.Sources[0].Film), colors: greys(), frame: func(i int) *figure {
		f := &figure{Figure: panels.Figure{Width: 150, Height: 160, Square: 1}}
		for _, s := range a.Sources {
			f.picture(0, s.Title, fmt.Sprintf("frame %d", i), s.Film[i], a.Task.ImageSide)
		}
		return f
	}}
}

// film writes the frames as a GIF in at most 256 colours.
func (f *figure) film(path string) error {
	const delay = 8 // hundredths of a second
	movie := gif.GIF{Image: make([]*image.Paletted, f.frames), Delay: slices.Repeat([]int{delay}, f.frames)}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range f.frames {
		group.Go(func() error {
			frame := f.frame(i)
			movie.Image[i] = paletted(frame.Raster(110).Image().(*image.RGBA), f.colors)
			return frame.err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return write(path, func(w io.Writer) (int64, error) { return 0, gif.EncodeAll(w, &movie) })
}

// paletted gives each pixel the nearest colour of a palette. Package image/draw searches the palette for every pixel; this looks each of a
// figure's few colours up once.
func paletted(raster *image.RGBA, colors color.Palette) *image.Paletted {
	p := image.NewPaletted(raster.Bounds(), colors)
	nearest := map[[4]uint8]uint8{}
	for i := range p.Pix {
		c := [4]uint8(raster.Pix[4*i:])
		index, ok := nearest[c]
		if !ok {
			index = uint8(colors.Index(color.RGBA{c[0], c[1], c[2], c[3]}))
			nearest[c] = index
		}
		p.Pix[i] = index
	}
	return p
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
	f := &figure{name: a.Task.Name + "-filmstrip", Figure: panels.Figure{Width: 62, Height: 70, Square: len(a.Sources)}}
	for row, s := range a.Sources {
		for i := 0; i < len(s.Film); i += 20 {
			p := f.picture(row, "", "", s.Film[i], a.Task.ImageSide)
			if row == 0 {
				p.Title.Text = fmt.Sprintf("frame %d", i)
			}
			if i == 0 {
				p.Y.Label.Text = s.Title
			}
			p.Title.TextStyle.Font, p.Y.Label.TextStyle.Font = panels.Face(7), panels.Face(7)
		}
	}
	return f
}

// picture adds a panel that shows a frame of side×side bytes, dark on light and each as a square, so that no viewer smooths it.
func (f *figure) picture(row int, title, label string, frame []byte, side int) *plot.Plot {
	const zoom = 8
	p := f.Panel(row, title, label, "")
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Tick.Marker, axis.LineStyle.Width = plot.ConstantTicks{}, 0
		axis.Min, axis.Max = 0, 1
	}
	width := side * zoom
	enlarged := image.NewGray(image.Rect(0, 0, width, width))
	for i := range enlarged.Pix {
		enlarged.Pix[i] = 255 - 2*min(127, frame[i/width/zoom*side+i%width/zoom])
	}
	p.Add(plotter.NewImage(enlarged, 0, 0, 1, 1))
	return p
}
