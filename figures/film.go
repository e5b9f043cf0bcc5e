package figures

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
	"hnn/internal/panels"
)

const frames = 100 // of the film of bodies

// filmOrbits films the bodies of the example side by side, with a tail behind each.
func filmOrbits(a *analysis.Analysis) *figure {
	const tail = 0.2 // of the example's time
	reach := orbitReach(a)
	return &figure{name: a.Task.Name, frames: frames, frame: func(i int) *figure {
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

// filmImages films every second image of the example.
func filmImages(a *analysis.Analysis) *figure {
	return &figure{name: a.Task.Name, frames: (len(a.Sources[0].Film) + 1) / 2, frame: func(i int) *figure {
		f := &figure{Figure: panels.Figure{Width: 150, Height: 160, Square: 1}}
		for _, s := range a.Sources {
			f.picture(0, s.Title, fmt.Sprintf("frame %d", 2*i), s.Film[2*i], a.Task.ImageSide)
		}
		return f
	}}
}

// film returns the frames as a GIF in a few colours. Each frame after the first holds only what differs from the one before.
func (f *figure) film() ([]byte, error) {
	const (
		delay  = 10 // hundredths of a second
		colors = 63 // and the transparent one
		dpi    = 96
	)
	var known []*image.RGBA
	for i := 0; i < f.frames; i += max(1, f.frames/5) {
		known = append(known, f.frame(i).Raster(dpi).Image().(*image.RGBA))
	}
	shades := panels.Frequent(colors, known...)
	drawn := make([]*image.Paletted, f.frames)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range f.frames {
		group.Go(func() error {
			frame := f.frame(i)
			drawn[i] = panels.Paletted(frame.Raster(dpi).Image().(*image.RGBA), shades)
			return frame.err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	movie := gif.GIF{Image: changes(drawn), Delay: slices.Repeat([]int{delay}, f.frames)}
	var content bytes.Buffer
	err := gif.EncodeAll(&content, &movie)
	return content.Bytes(), err
}

// changes returns of each frame the rectangle that differs from the frame before. In it, pixels that stay are transparent.
func changes(drawn []*image.Paletted) []*image.Paletted {
	transparent := uint8(len(drawn[0].Palette))
	shades := append(slices.Clone(drawn[0].Palette), color.Transparent)
	list := make([]*image.Paletted, len(drawn))
	for i, frame := range drawn {
		whole := &image.Paletted{Pix: slices.Clone(frame.Pix), Stride: frame.Stride, Rect: frame.Rect, Palette: shades}
		changed := frame.Rect
		if i > 0 {
			changed = image.Rectangle{}
			for j, shade := range drawn[i-1].Pix {
				if shade == whole.Pix[j] {
					whole.Pix[j] = transparent
				} else {
					x, y := j%frame.Stride, j/frame.Stride
					changed = changed.Union(image.Rect(x, y, x+1, y+1))
				}
			}
			if changed.Empty() {
				changed = image.Rect(0, 0, 1, 1) // a GIF has no empty frame
			}
		}
		list[i] = whole.SubImage(changed).(*image.Paletted)
	}
	return list
}

// filmstrip shows every twentieth frame of the example, a row for each source.
func filmstrip(a *analysis.Analysis) *figure {
	const every = 20
	columns := (len(a.Sources[0].Film) + every - 1) / every
	f := &figure{name: a.Task.Name + "-filmstrip", Figure: panels.Figure{
		Width: 600 / float64(columns), Height: 70, Square: len(a.Sources),
	}}
	for row, s := range a.Sources {
		for i := 0; i < len(s.Film); i += every {
			p := f.picture(row, "", "", s.Film[i], a.Task.ImageSide)
			if row == 0 {
				p.Title.Text = fmt.Sprintf("frame %d", i)
			}
			if i == 0 {
				p.Y.Label.Text = s.Title
			}
			p.Title.TextStyle.Font, p.Y.Label.TextStyle.Font = panels.Face(8), panels.Face(8)
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
