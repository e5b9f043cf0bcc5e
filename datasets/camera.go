package datasets

import (
	"fmt"
	"math"
)

// Camera photographs the pendulum of gym's Pendulum-v0: it renders the screen, crops it around the pivot, takes red minus
// green, which leaves the rod alone, and shrinks the result to a square of Side×Side bytes. A camera can be used by any number
// of goroutines.
type Camera struct {
	Side   int
	scale  float64   // pixels of the screen per unit of length
	left   int       // of the crop
	top    int       // of the crop
	size   int       // of the crop, in pixels
	light  []float64 // what the axle and the arrow leave of the rod's colour, by pixel of the crop
	shrink []taps
}

// What gym draws: lengths in the world's units, of which the screen shows −2.2 to 2.2.
const (
	worldReach   = 2.2
	rodLength    = 1.0
	rodRadius    = 0.1
	axleRadius   = 0.05
	rodRedness   = 128  // red minus green of the rod's colour (.8, .3, .3); the background's and black's are 0
	publishedTop = 0.44 // the crop of the published code, as shares of the screen
	publishedFar = 0.33
	cropSize     = 0.34
)

// The arrow that gym lays over the pendulum is a picture. Its stroke's inner and outer distance from the pivot, in pixels of a
// screen of 1000, by the angle from straight down towards the right, in degrees: measured on gym's screen and, from −30 to 30,
// where the rod swings, fitted to its frames.
var arrow = []struct{ angle, inner, outer float64 }{
	{-90, 92, 98.5},
	{-60, 97, 103.8},
	{-30, 101.6, 108.9},
	{-15, 104.2, 111.4},
	{-5, 105.6, 112.85},
	{5, 106.8, 114.05},
	{15, 107.55, 114.85},
	{30, 108.15, 115.25},
	{60, 107.5, 114.2},
	{90, 106.5, 113.5},
	{180, 106.5, 113.5},
}

// arrowHead is the triangle at the arrow's end, in pixels of that screen.
var arrowHead = [3]vector{{401, 468}, {387, 510}, {416, 510}}

// NewCamera returns a camera for a square screen, 500 or 1000 pixels wide in gym, and square frames.
func NewCamera(screen, side int) (*Camera, error) {
	if screen < 50 || side < 1 || side > screen {
		return nil, fmt.Errorf("a camera of a screen of %d pixels and frames of %d; the screen must have 50 or more, and the frames no more than it", screen, side)
	}
	share := func(s float64) int { return int(math.Round(s * float64(screen))) }
	c := &Camera{
		Side: side, scale: float64(screen) / (2 * worldReach),
		left: share(publishedFar), top: share(publishedTop), size: share(cropSize),
	}
	c.shrink = triangleFilter(c.size, side)
	zoom := float64(screen) / 1000
	c.light = make([]float64, c.size*c.size)
	for row := range c.size {
		for column := range c.size {
			x, y := c.position(row, column)
			if !inDisc(x, y, axleRadius*c.scale) {
				c.light[row*c.size+column] = 1 - arrowCoverage(x/zoom, y/zoom, zoom)
			}
		}
	}
	return c, nil
}

// position returns a pixel's centre relative to the pivot, in pixels, x to the right and y upwards.
func (c *Camera) position(row, column int) (x, y float64) {
	middle := worldReach * c.scale
	return float64(c.left+column) + 0.5 - middle, middle - float64(c.top+row) - 0.5
}

// inDisc tells whether a point relative to a disc's centre lies in it. gym draws a disc as a polygon of thirty corners, the first
// to the right, and like every shape without smoothing its edges: a pixel is on or off by its centre.
func inDisc(x, y, radius float64) bool {
	const halfSide = math.Pi / 30
	r := math.Hypot(x, y)
	if r > radius || r <= radius*math.Cos(halfSide) {
		return r <= radius
	}
	fromCorner := math.Mod(math.Atan2(y, x)+2*math.Pi, 2*halfSide)
	return r*math.Cos(fromCorner-halfSide) <= radius*math.Cos(halfSide)
}

// coverage is the share of a pixel that lies within an edge at a signed distance of its centre, in pixels.
func coverage(distance float64) float64 { return min(1, max(0, 0.5-distance)) }

// arrowCoverage is the share of a pixel, given by its centre on a screen of 1000 pixels, that the arrow covers.
func arrowCoverage(x, y, zoom float64) float64 {
	r, angle := math.Hypot(x, y), math.Atan2(x, -y)*180/math.Pi
	stroke := 0.0
	for i := 1; i < len(arrow); i++ {
		a, b := arrow[i-1], arrow[i]
		if angle < a.angle || angle > b.angle {
			continue
		}
		t := (angle - a.angle) / (b.angle - a.angle)
		inner, outer := a.inner+t*(b.inner-a.inner), a.outer+t*(b.outer-a.outer)
		stroke = coverage(zoom * max(inner-r, r-outer))
		break
	}
	// The triangle's edges go round it clockwise on the screen, whose rows go down.
	head := math.Inf(-1)
	point := vector{x + 500, 500 - y}
	for i, a := range arrowHead {
		b := arrowHead[(i+1)%3]
		edge := vector{b[0] - a[0], b[1] - a[1]}
		head = max(head, (edge[0]*(point[1]-a[1])-edge[1]*(point[0]-a[0]))/edge.length())
	}
	return max(stroke, coverage(zoom*head))
}

// Frame photographs the pendulum at an angle from upright, anticlockwise, in radians: Side rows of Side bytes, 128 where the
// rod is.
func (c *Camera) Frame(angle float64) []byte {
	sin, cos := math.Sincos(angle + math.Pi/2)
	length, radius := rodLength*c.scale, rodRadius*c.scale
	// Only the pixels of the box around the rod are looked at; x grows with the column, y falls with the row.
	x0, y0 := c.position(0, 0)
	within := func(i float64) int { return min(c.size, max(0, int(i))) }
	lit := box{
		left: within(min(0, length*cos) - radius - 1 - x0), right: within(max(0, length*cos) + radius + 2 - x0),
		top: within(y0 - max(0, length*sin) - radius - 1), bottom: within(y0 - min(0, length*sin) + radius + 2),
	}
	crop := make([]byte, c.size*c.size)
	for row := lit.top; row < lit.bottom; row++ {
		y := y0 - float64(row)
		for column := lit.left; column < lit.right; column++ {
			x := x0 + float64(column)
			along, across := x*cos+y*sin, y*cos-x*sin
			between := along >= 0 && along <= length && math.Abs(across) <= radius
			if !between && !inDisc(along, across, radius) && !inDisc(along-length, across, radius) {
				continue
			}
			crop[row*c.size+column] = byte(rodRedness*c.light[row*c.size+column] + 0.5)
		}
	}
	return c.shrunk(crop, lit)
}

// box is a part of the crop; right and bottom are the first column and row beyond it.
type box struct{ left, right, top, bottom int }

// taps are the weights, in units of 2⁻²², of consecutive pixels in one pixel of a shrunk picture.
type taps struct {
	first   int
	weights []int64
}

const tapBits = 22

// triangleFilter returns the weights by which the Python Imaging Library shrinks a row of pixels: a triangle that reaches one
// pixel of the result to either side.
func triangleFilter(from, to int) []taps {
	scale := float64(from) / float64(to)
	all := make([]taps, to)
	for i := range all {
		center := (float64(i) + 0.5) * scale
		first, last := max(0, int(center-scale+0.5)), min(from, int(center+scale+0.5))
		weights, sum := make([]float64, last-first), 0.0
		for j := range weights {
			weights[j] = max(0, 1-math.Abs((float64(first+j)-center+0.5)/scale))
			sum += weights[j]
		}
		all[i].first = first
		for _, w := range weights {
			all[i].weights = append(all[i].weights, int64(w/sum*(1<<tapBits)+0.5))
		}
	}
	return all
}

// shrunk shrinks a picture that is zero outside of a box: each row first, then each column, rounded to bytes in between as the
// Python Imaging Library does.
func (c *Camera) shrunk(picture []byte, lit box) []byte {
	narrow := make([]byte, c.size*c.Side)
	for row := lit.top; row < lit.bottom; row++ {
		line := picture[row*c.size : (row+1)*c.size]
		for i, t := range c.shrink {
			if t.first >= lit.right || t.first+len(t.weights) <= lit.left {
				continue
			}
			sum := int64(1) << (tapBits - 1)
			for j, w := range t.weights {
				sum += w * int64(line[t.first+j])
			}
			narrow[row*c.Side+i] = byte(sum >> tapBits)
		}
	}
	small := make([]byte, c.Side*c.Side)
	for i, t := range c.shrink {
		for column := range c.Side {
			sum := int64(1) << (tapBits - 1)
			for j, w := range t.weights {
				sum += w * int64(narrow[(t.first+j)*c.Side+column])
			}
			small[i*c.Side+column] = byte(sum >> tapBits)
		}
	}
	return small
}
