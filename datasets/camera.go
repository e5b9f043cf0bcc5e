package datasets

import (
	"bytes"
	_ "embed"
	"fmt"
	"image"
	"image/png"
	"math"
)

// Camera photographs the pendulum of gym's Pendulum-v0: it renders the screen, crops it around the pivot, takes red minus
// green, which leaves the rod alone, and shrinks the result to a square of Side×Side bytes. A camera can be used by any number
// of goroutines.
type Camera struct {
	Side   int
	scale  float64 // pixels of the screen per unit of length
	left   int     // of the crop
	top    int     // of the crop
	size   int     // of the crop, in pixels
	rod    []byte  // what the rod would show at each pixel of the crop, under the axle and the arrow: red minus green
	shrink []taps
}

// What gym draws: lengths in the world's units, of which the screen shows −2.2 to 2.2.
const (
	worldReach   = 2.2
	rodLength    = 1.0
	rodRadius    = 0.1
	axleRadius   = 0.05
	rodRed       = 204 // of 255, as gym's colour (.8, .3, .3) comes out; the background's and black's red minus green are 0
	rodGreen     = 76
	publishedTop = 0.44 // the crop of the published code, as shares of the screen
	publishedFar = 0.33
	cropSize     = 0.34
)

// arrowPicture is the arrow that gym lays over the pendulum, a unit wide and high and around the pivot: black, in the picture's
// opacity. It is a file of gym 0.17.3, under the licence in clockwise-LICENSE.txt.
//
//go:embed clockwise.png
var arrowPicture []byte

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
	arrow, err := png.Decode(bytes.NewReader(arrowPicture))
	if err != nil {
		return nil, fmt.Errorf("the picture of the arrow: %w", err)
	}
	c.rod = make([]byte, c.size*c.size)
	middle := worldReach * c.scale
	for row := range c.size {
		for column := range c.size {
			x, y := float64(c.left+column)+0.5-middle, float64(c.top+row)+0.5-middle
			light := 1 - math.Round(255*opacity(arrow, x/c.scale+0.5, y/c.scale+0.5))/255 // a texture's bytes
			c.rod[row*c.size+column] = byte(math.Round(rodRed*light)) - byte(math.Round(rodGreen*light))
		}
	}
	c.fill(disc(axleRadius), c.place(0, 0), func(row, first, last int) { clear(c.rod[row*c.size+first : row*c.size+last]) })
	return c, nil
}

// opacity samples a picture at a point given in shares of its width and height, between the nearest four of its pixels; outside
// of it is nothing.
func opacity(picture image.Image, x, y float64) float64 {
	size := picture.Bounds().Size()
	x, y = x*float64(size.X)-0.5, y*float64(size.Y)-0.5
	column, row := math.Floor(x), math.Floor(y)
	at := func(dx, dy int) float64 {
		_, _, _, alpha := picture.At(int(column)+dx, int(row)+dy).RGBA()
		return float64(alpha) / 0xffff
	}
	u, v := x-column, y-row
	return (1-v)*((1-u)*at(0, 0)+u*at(1, 0)) + v*((1-u)*at(0, 1)+u*at(1, 1))
}

// disc returns the corners of what gym draws as a disc: thirty, the first to the right.
func disc(radius float64) []vector {
	corners := make([]vector, 30)
	for i := range corners {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(len(corners)))
		corners[i] = vector{radius * cos, radius * sin}
	}
	return corners
}

// placement turns a shape and moves it along its own first axis. It is computed in OpenGL's 32 bits, and from an angle in
// degrees as OpenGL's, because a corner's rounding decides about pixels. Its result is in halves of the screen from the middle.
type placement struct{ xx, xy, yx, yy, x, y float32 }

func (c *Camera) place(angle float64, along float32) placement {
	degrees := float32(angle * 180 / math.Pi)
	sin, cos := math.Sincos(float64(degrees * float32(math.Pi/180)))
	scale, half := float32(c.scale), float32(1/(worldReach*c.scale))
	p := placement{xx: half * (scale * float32(cos)), yx: half * (scale * float32(sin))}
	p.xy, p.yy = -p.yx, p.xx
	p.x, p.y = p.xx*along, p.yx*along
	return p
}

// fill calls paint for each row of the crop with the pixels, from first to before last, whose centres lie in a convex polygon.
// The corners are given anticlockwise in the world's units. They are rounded to 1/256 of a pixel, as OpenGL does.
func (c *Camera) fill(corners []vector, place placement, paint func(row, first, last int)) {
	const unit = 256
	type point struct{ x, y int } // in units, from the centre of the crop's first pixel to the right and down
	points := make([]point, len(corners))
	half := float32(worldReach * c.scale)
	top, bottom := math.MaxInt, math.MinInt
	for i, p := range corners {
		x, y := float32(p[0]), float32(p[1])
		right := half + half*(place.xx*x+place.xy*y+place.x) - 0.5
		down := half - half*(place.yx*x+place.yy*y+place.y) - 0.5
		points[i] = point{int(math.RoundToEven(float64(unit*right))) - unit*c.left, int(math.RoundToEven(float64(unit*down))) - unit*c.top}
		top, bottom = min(top, points[i].y), max(bottom, points[i].y)
	}
	for row := max(0, top/unit); row <= min(c.size-1, bottom/unit); row++ {
		first, last := 0, c.size-1
		for i, a := range points {
			// To the left of each edge lies the inside: dy·(x − a.x) ≥ dx·(row − a.y), as rows go down.
			b := points[(i+1)%len(points)]
			dx, dy := b.x-a.x, b.y-a.y
			right := dx*(row*unit-a.y) + dy*a.x // dy·x is at least this
			switch {
			case dy > 0:
				first = max(first, int(math.Ceil(float64(right)/float64(dy*unit))))
			case dy < 0:
				last = min(last, int(math.Floor(float64(right)/float64(dy*unit))))
			case right > 0:
				last = -1
			}
		}
		if first <= last {
			paint(row, first, last+1)
		}
	}
}

// Frame photographs the pendulum at an angle from upright, anticlockwise, in radians: Side rows of Side bytes, 128 where the
// rod is.
func (c *Camera) Frame(angle float64) []byte {
	crop := make([]byte, c.size*c.size)
	lit := box{left: c.size, top: c.size}
	for _, part := range []struct {
		shape []vector
		along float32
	}{
		{[]vector{{0, -rodRadius}, {rodLength, -rodRadius}, {rodLength, rodRadius}, {0, rodRadius}}, 0},
		{disc(rodRadius), 0},
		{disc(rodRadius), rodLength},
	} {
		c.fill(part.shape, c.place(angle+math.Pi/2, part.along), func(row, first, last int) {
			copy(crop[row*c.size+first:row*c.size+last], c.rod[row*c.size+first:])
			lit = box{min(lit.left, first), max(lit.right, last), min(lit.top, row), max(lit.bottom, row+1)}
		})
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
