package datasets

import (
	"bytes"
	_ "embed"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"math"
	"sync"
)

// Camera photographs the pendulum of gym's Pendulum-v0: it renders the screen, crops it around the pivot, takes red minus
// green, which leaves the rod alone, and shrinks the result to a square of Side×Side bytes. A camera can be used by any number
// of goroutines.
type Camera struct {
	Side     int
	scale    float64     // pixels of the screen per unit of length
	left     int         // of the crop
	top      int         // of the crop
	size     int         // of the crop, in pixels
	rod      *shrinkable // what the rod would show at each pixel of the crop, under the axle and the arrow: red minus green
	canvases sync.Pool   // of *canvas
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
	share := func(s float64) int { return int(math.Round(s * float64(screen))) }
	c := &Camera{
		Side: side, scale: float64(screen) / (2 * worldReach),
		left: share(publishedFar), top: share(publishedTop), size: share(cropSize),
	}
	if screen < 50 || side < 1 || side > c.size {
		return nil, fmt.Errorf("a camera of a screen of %d pixels and frames of %d; the screen must have 50 or more, and the frames 1 to 34%% of that", screen, side)
	}
	arrow, err := png.Decode(bytes.NewReader(arrowPicture))
	if err != nil {
		return nil, fmt.Errorf("the picture of the arrow: %w", err)
	}
	shade := image.NewAlpha(arrow.Bounds())
	draw.Draw(shade, shade.Rect, arrow, shade.Rect.Min, draw.Src)
	start, end := c.place(0, 0).onScreen(vector{-0.5, -0.5}), c.place(0, 0).onScreen(vector{0.5, 0.5}) // of the picture, from lower left
	size := shade.Rect.Size()
	rod := make([]byte, c.size*c.size)
	for row := range c.size {
		y := texel(c.top+row, start.y, end.y, size.Y)
		for column := range c.size {
			light := 255 - opacity(shade, texel(c.left+column, start.x, end.x, size.X), y)
			rod[row*c.size+column] = scaled(rodRed, light) - scaled(rodGreen, light)
		}
	}
	axle := make([][shapes]span, c.size)
	c.cover(axle, 0, disc(axleRadius), c.place(0, 0))
	for row, covered := range axle {
		clear(rod[row*c.size:][covered[0].first:covered[0].last])
	}
	c.rod = newShrinkable(rod, c.size, side)
	c.canvases.New = c.rod.newCanvas
	return c, nil
}

// scaled returns the nearest byte to v·share/255.
func scaled(v, share int) byte { return byte((v*share + 127) / 255) }

// texel returns the place of a pixel's centre in a picture of so many pixels that is stretched over the screen from start to
// end: in units of 1/256 of the picture's pixels, from the centre of its first. Mesa's software renderer follows a straight line
// in 32 bits, from the picture's lower left, and rounds the place to such a unit.
func texel(pixel int, start, end float32, size int) int {
	slope := float32(size) / (end - start)
	first := -float32(slope * (start - 0.5))
	return int(math.RoundToEven(256*float64(fused(slope, float32(pixel), first)))) - 128
}

// fused returns a·b + c, rounded once.
func fused(a, b, c float32) float32 { return float32(float64(a)*float64(b) + float64(c)) }

// opacity samples a picture between four of its pixels, at a place that texel gives, from its lower left: first along two rows,
// then between them, rounded to bytes each time, as Mesa's software renderer does. Outside of the picture is nothing.
func opacity(picture *image.Alpha, x, y int) int {
	at := func(dx, dy int) int { return int(picture.AlphaAt(x>>8+dx, picture.Rect.Dy()-1-(y>>8+dy)).A) }
	mix := func(a, b, share int) int { return a + ((b-a)*share+128)>>8 }
	u, v := x&255, y&255
	return mix(mix(at(0, 0), at(1, 0), u), mix(at(0, 1), at(1, 1), u), v)
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

// placement turns a shape and moves it, into OpenGL's coordinates of −1..1 across the screen. As a corner's rounding decides
// about pixels, all is computed in the 32 bits and the order of Mesa's OpenGL; the explicit conversions keep Go from fusing
// products and sums.
type placement struct{ xx, xy, yx, yy, x, y, half float32 }

// place turns a shape by an angle, which gym gives OpenGL in degrees, after it has moved it along the first axis.
func (c *Camera) place(angle, along float64) placement {
	degrees := float32(angle * (180 / math.Pi))
	sin, cos := sincos32(float32(float64(degrees) * math.Pi / 180))
	scale, half := float32(c.scale), float32(worldReach*c.scale)
	pixel := 1 / half
	sin, cos = scale*sin, scale*cos
	return placement{
		xx: pixel * cos, xy: pixel * -sin, x: float32(pixel*(half+float32(cos*float32(along)))) - 1,
		yx: pixel * sin, yy: pixel * cos, y: float32(pixel*(half+float32(sin*float32(along)))) - 1,
		half: half,
	}
}

// onScreen returns where a corner lies on the screen, in pixels to the right and down.
func (p placement) onScreen(corner vector) point {
	x, y := float32(corner[0]), float32(corner[1])
	right := float32(float32(p.xx*x)+float32(p.xy*y)) + p.x
	up := float32(float32(p.yx*x)+float32(p.yy*y)) + p.y
	return point{fused(right, p.half, p.half), fused(up, -p.half, p.half)}
}

// point is a place on the screen.
type point struct{ x, y float32 }

// sincos32 returns the sine and cosine as the GNU C library computes them in 32 bits, which is not always the nearest number:
// by the polynomials of degree 7 and 8 with the least largest error within 1/8 turn (of sin x/x and of cos x).
func sincos32(angle float32) (sin, cos float32) {
	turn := math.Round(float64(angle) * (2 / math.Pi))
	x := float64(angle) - turn*(math.Pi/2)
	z := x * x
	s := x * (1 + z*(-0.166666549437011+z*(0.0083321781461389+z*-0.00019517298981392)))
	c := 1 + z*(-0.499999997251082+z*(0.0416666233243447+z*(-0.0013886763794381+z*2.4390450704e-5)))
	switch int(turn) & 3 {
	case 1:
		s, c = c, -s
	case 2:
		s, c = -s, -c
	case 3:
		s, c = -c, s
	}
	return float32(s), float32(c)
}

// cover sets one of the shapes in each row to the pixels of the crop whose centres lie in a convex polygon, or on its left or its
// bottom edge. The corners are given anticlockwise in the world's units. They are rounded to 1/256 of a pixel, as OpenGL does.
func (c *Camera) cover(rows [][shapes]span, shape int, corners []vector, place placement) {
	const unitBits, unit = 8, 1 << 8
	type fixed struct{ x, y int } // in units, from the centre of the crop's first pixel to the right and down
	at := func(corner vector) fixed {
		p := place.onScreen(corner)
		return fixed{int(math.RoundToEven(float64(unit*(p.x-0.5)))) - unit*c.left, int(math.RoundToEven(float64(unit*(p.y-0.5)))) - unit*c.top}
	}
	a := at(corners[len(corners)-1])
	for _, corner := range corners {
		b := at(corner)
		upper, lower := a, b
		if a.y > b.y {
			upper, lower = b, a
		}
		// A row lies between an edge that goes down, on its left, and one that goes up: at a corner, between those that come from above.
		if dx, dy := lower.x-upper.x, lower.y-upper.y; dy > 0 {
			row, end := max(0, upper.y>>unitBits+1), min(c.size, lower.y>>unitBits+1)
			// The first pixel whose centre is not to the left of the edge, and how far it is to the right, in 1/dy of a unit.
			x, beyond := ceiling(upper.x*dy+(row*unit-upper.y)*dx, dy*unit)
			step, more := ceiling(dx, dy)
			for ; row < end; row++ {
				if a.y < b.y {
					rows[row][shape].first = max(0, x)
				} else {
					rows[row][shape].last = min(c.size, x)
				}
				x, beyond = x+step, beyond+more*unit
				if beyond >= dy*unit {
					x, beyond = x-1, beyond-dy*unit
				}
			}
		}
		a = b
	}
}

// ceiling returns n/d, rounded up, and how much n lacks to be this multiple of d, which is positive.
func ceiling(n, d int) (quotient, lack int) {
	quotient = n / d
	if quotient*d < n {
		quotient++
	}
	return quotient, quotient*d - n
}

// shapes are what the rod consists of: a rectangle and a disc around either end.
const shapes = 3

var (
	rodSides = []vector{{0, -rodRadius}, {rodLength, -rodRadius}, {rodLength, rodRadius}, {0, rodRadius}}
	rodEnd   = disc(rodRadius)
)

// Frame photographs the pendulum at an angle from upright, anticlockwise, in radians: Side rows of Side bytes, 128 where the
// rod is.
func (c *Camera) Frame(angle float64) []byte {
	canvas := c.canvases.Get().(*canvas)
	defer c.canvases.Put(canvas)
	angle += math.Pi / 2
	pivot, end := c.place(angle, 0), c.place(angle, rodLength)
	c.cover(canvas.rows, 0, rodSides, pivot)
	c.cover(canvas.rows, 1, rodEnd, pivot)
	c.cover(canvas.rows, 2, rodEnd, end)
	return c.rod.shrink(canvas)
}
