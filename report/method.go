package report

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"

	"hnn/datasets"
	"hnn/internal/files"
)

// drawing is a vector picture of the method. Lengths are in pixels, from the upper left corner.
type drawing struct {
	Name          string // of the file, without its extension
	Title         string // what it shows, for readers who do not see it
	Caption       string
	Width, Height float64
	Boxes         []box
	Lines         []line
	Labels        []label
	Dots          []point
}

type point struct{ X, Y float64 }

// box is a text in a rectangle or, if it is a scalar, in an ellipse. A dashed box belongs to the gradient.
type box struct {
	X, Y, Width, Height float64
	Text                string
	Scalar, Dashed      bool
}

func rectangle(x, y, width, height float64, text string) box {
	return box{X: x, Y: y, Width: width, Height: height, Text: text}
}

func scalar(x, y, width, height float64, text string) box {
	return box{X: x, Y: y, Width: width, Height: height, Text: text, Scalar: true}
}

func dashed(x, y, width, height float64, text string) box {
	return box{X: x, Y: y, Width: width, Height: height, Text: text, Dashed: true}
}

// The middles of the four sides.
func (b box) top() point    { return point{b.X + b.Width/2, b.Y} }
func (b box) bottom() point { return point{b.X + b.Width/2, b.Y + b.Height} }
func (b box) left() point   { return point{b.X, b.Y + b.Height/2} }
func (b box) right() point  { return point{b.X + b.Width, b.Y + b.Height/2} }

// Middle is the point about which the text stands.
func (b box) Middle() point { return point{b.X + b.Width/2, b.Y + b.Height/2} }

// line joins points. An arrow has a tip at the end.
type line struct {
	Points        []point
	Arrow, Dashed bool
}

// Path returns the line in SVG's notation.
func (l line) Path() string {
	var path strings.Builder
	for i, p := range l.Points {
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], p.X, p.Y)
	}
	return path.String()
}

type label struct {
	At    point
	Text  string
	Title bool
}

func arrow(points ...point) line { return line{Points: points, Arrow: true} }

func gradient(points ...point) line { return line{Points: points, Arrow: true, Dashed: true} }

// drawings returns the drawings of the paper's figures 1 and 6.
func drawings() ([]drawing, error) {
	spring, err := springDrawing()
	return []drawing{spring, graphDrawing()}, err
}

// springDrawing shows a mass on a spring, what is observed of it, and what the two models learn from that (figure 1).
func springDrawing() (drawing, error) {
	d := drawing{
		Name: "method-spring", Width: 800, Height: 470,
		Title: "A mass on a spring, and a circle of noisy observations of q and p. Arrows lead from them to two models: " +
			"the baseline's network gives the derivatives of q and p; the HNN's network gives H, whose gradient gives them.",
		Caption: "The method: from noisy observations of a mass on a spring, the baseline learns the derivatives, and the HNN learns a Hamiltonian H, " +
			"whose gradient gives the derivatives (figure 1). The motions that both predict are in the picture spring-field.",
	}
	observed, err := datasets.Spring.Generate(0)
	if err != nil {
		return d, err
	}
	d.springs(point{40, 55})
	d.observations(point{120, 350}, 75, observed.Train.X.Float64(0)[:30])
	from := point{220, 350}

	d.Labels = append(d.Labels, label{point{515, 40}, "Baseline: a network gives the derivatives", true})
	state, network := rectangle(260, 85, 60, 40, "q, p"), rectangle(380, 80, 110, 50, "network")
	rates := rectangle(550, 85, 110, 40, "dq/dt, dp/dt")
	d.Boxes = append(d.Boxes, state, network, rates)
	d.Lines = append(d.Lines, arrow(from, point{240, 350}, point{240, 105}, state.left()),
		arrow(state.right(), network.left()), arrow(network.right(), rates.left()))

	d.Labels = append(d.Labels, label{point{515, 230}, "HNN: a network gives H, and its gradient the derivatives", true})
	state, network = rectangle(260, 275, 60, 40, "q, p"), rectangle(380, 270, 110, 50, "network")
	energy := scalar(550, 270, 50, 50, "H")
	backward := dashed(380, 380, 110, 50, "gradient of H")
	rates = dashed(530, 385, 240, 40, "dq/dt = ∂H/∂p, dp/dt = −∂H/∂q")
	d.Boxes = append(d.Boxes, state, network, energy, backward, rates)
	d.Lines = append(d.Lines, arrow(from, point{240, 350}, point{240, 295}, state.left()),
		arrow(state.right(), network.left()), arrow(network.right(), energy.left()),
		gradient(energy.bottom(), point{575, 350}, point{435, 350}, backward.top()), gradient(backward.right(), rates.left()))
	return d, nil
}

// springs draws a mass that hangs on a spring, in 160 by 170 pixels from a corner.
func (d *drawing) springs(corner point) {
	const turns, width, top, height = 6, 18, 20., 70.
	x, y := corner.X+60, corner.Y+top
	coil := []point{{x, corner.Y}, {x, y}}
	for i := range turns {
		side := float64(1 - 2*(i%2))
		coil = append(coil, point{x + side*width, y + height*(float64(i)+0.5)/turns})
	}
	coil = append(coil, point{x, y + height}, point{x, y + height + 15})
	mass := rectangle(x-22, y+height+15, 44, 40, "m")
	d.Boxes = append(d.Boxes, mass)
	d.Lines = append(d.Lines, line{Points: []point{{corner.X, corner.Y}, {corner.X + 120, corner.Y}}}, line{Points: coil},
		arrow(point{corner.X + 110, corner.Y + 4}, point{corner.X + 110, mass.Y}))
	d.Labels = append(d.Labels, label{point{120, 30}, "Mass on a spring", true}, label{point{corner.X + 125, corner.Y + 60}, "q", false},
		label{point{corner.X + 135, mass.Y + 25}, "p = m·dq/dt", false})
}

// observations draws states as dots in the phase plane. The scale is in pixels for a unit of q and p.
func (d *drawing) observations(middle point, scale float64, states [][]float64) {
	d.Labels = append(d.Labels, label{point{middle.X, middle.Y - 105}, "Noisy observations", true},
		label{point{middle.X + 92, middle.Y + 14}, "q", false}, label{point{middle.X - 12, middle.Y - 82}, "p", false})
	d.Lines = append(d.Lines, arrow(point{middle.X - 95, middle.Y}, point{middle.X + 95, middle.Y}),
		arrow(point{middle.X, middle.Y + 95}, point{middle.X, middle.Y - 90}))
	for _, s := range states {
		d.Dots = append(d.Dots, point{middle.X + scale*s[0], middle.Y - scale*s[1]})
	}
}

// graphDrawing shows how each model's loss is computed (figure 6).
func graphDrawing() drawing {
	d := drawing{
		Name: "method-graph", Width: 800, Height: 330,
		Title: "Two graphs. Baseline: q and p enter a network, whose outputs are compared with the observed derivatives in the loss. " +
			"HNN: q and p enter a network with the output H; the gradient of H by q and p, computed back through the network, " +
			"is compared with the observed derivatives in the loss.",
		Caption: "How the losses are computed: the baseline compares the network's outputs with the derivatives, " +
			"the HNN compares the gradient of the network's output H (figure 6).",
	}
	d.Labels = append(d.Labels, label{point{150, 30}, "Baseline", true}, label{point{550, 30}, "HNN", true})
	loss, network, state, data := scalar(125, 50, 50, 50, "loss"), rectangle(30, 140, 120, 50, "network"),
		rectangle(55, 240, 70, 40, "q, p"), rectangle(175, 140, 110, 50, "dq/dt, dp/dt")
	d.Boxes = append(d.Boxes, loss, network, state, data)
	d.Lines = append(d.Lines, arrow(state.top(), network.bottom()), arrow(network.top(), loss.left()), arrow(data.top(), loss.right()))
	d.Labels = append(d.Labels, label{point{230, 210}, "observed", false})

	energy, network := scalar(385, 50, 50, 50, "H"), rectangle(350, 140, 120, 50, "network")
	backward := dashed(500, 140, 120, 50, "gradient of H")
	state, rates := rectangle(375, 240, 70, 40, "q, p"), dashed(500, 240, 120, 40, "∂H/∂p, −∂H/∂q")
	data = rectangle(650, 240, 110, 40, "dq/dt, dp/dt")
	loss = scalar(680, 140, 50, 50, "loss")
	d.Boxes = append(d.Boxes, energy, network, backward, state, rates, data, loss)
	d.Lines = append(d.Lines, arrow(state.top(), network.bottom()), arrow(network.top(), energy.bottom()),
		gradient(energy.right(), point{560, 75}, backward.top()), gradient(backward.bottom(), rates.top()),
		arrow(rates.right(), point{635, 260}, point{635, 165}, loss.left()), arrow(data.top(), loss.bottom()),
		arrow(point{350, 308}, point{390, 308}), gradient(point{500, 308}, point{540, 308}))
	d.Labels = append(d.Labels, label{point{705, 300}, "observed", false},
		label{point{430, 313}, "values", false}, label{point{580, 313}, "gradient", false})
	return d
}

// svg returns the drawing as SVG, in colours for a light page and, where the reader prefers that, for a dark one.
func (d drawing) svg() ([]byte, error) {
	var content bytes.Buffer
	err := vector.Execute(&content, d)
	return content.Bytes(), err
}

// writeDrawings writes the drawings into a folder and returns them as pictures.
func writeDrawings(folder string) ([]picture, error) {
	list, err := drawings()
	if err != nil {
		return nil, err
	}
	var pictures []picture
	for _, d := range list {
		content, err := d.svg()
		if err != nil {
			return nil, fmt.Errorf("report: %s: %w", d.Name, err)
		}
		path := filepath.Join(folder, d.Name+".svg")
		if err := files.Write(path, content); err != nil {
			return nil, err
		}
		pictures = append(pictures, picture{Caption: d.Caption, Alt: d.Title, file: path})
	}
	return pictures, nil
}

var vector = template.Must(template.New("drawing.svg.tmpl").ParseFS(sources, "drawing.svg.tmpl"))
