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

// Camera renders the pendulum of gym's Pendulum-v0 as the published code sees it. The code crops the screen around the pivot, subtracts green
// from red, so that only the rod is left, and resizes the result to Side×Side bytes. Several goroutines may share a camera.
type Camera struct {
	Side            int
	scale           float64    // pixels of the screen per unit of length
	left, top, size int        // of the crop: its first column, its first row, and the number of its rows and columns
	spans           sync.Pool  // of *[][shapes]span, a Frame's memory
	rod             *resizable // red minus green of a rod that covers the whole crop, under the axle and the arrow
}

// The scene that gym draws. Lengths are in units of the world; the screen shows −2.2 to 2.2.
const (
	worldReach   = 2.2
	rodLength    = 1.0
	rodRadius    = 0.1
	axleRadius   = 0.05
	rodRed       = 204 // gym's colour (.8, .3, .3) in bytes; red minus green of the background and of black is 0
	rodGreen     = 76
	publishedTop = 0.44 // the published crop, in parts of the screen
	publishedFar = 0.33
	cropSize     = 0.34
)

// arrowFile is the arrow that gym draws over the pendulum: black with the opacity of the file, one unit wide and high, centred on the pivot. The
// file is from gym 0.17.3, under the licence in clockwise-LICENSE.txt.
//
//go:embed clockwise.png
var arrowFile []byte

// NewCamera returns a camera for a screen and frames of the given numbers of rows, each square. gym's screen has 500 or 1000. An error says which
// sizes are possible.
func NewCamera(screen, side int) (*Camera, error) {
	share := func(s float64) int { return int(math.Round(s * float64(screen))) }
	c := &Camera{
		Side: side, scale: float64(screen) / (2 * worldReach),
		left: share(publishedFar), top: share(publishedTop), size: share(cropSize),
	}
	if screen < 50 || side < 1 || side > c.size {
		return nil, fmt.Errorf("a camera cannot turn a screen of %d rows into frames of %d; the screen needs 50 or more, the frames 1 to 34%% of that", screen, side)
	}
	arrow, err := png.Decode(bytes.NewReader(arrowFile))
	if err != nil {
		return nil, fmt.Errorf("clockwise.png: %w", err)
	}
	shade := image.NewAlpha(arrow.Bounds())
	draw.Draw(shade, shade.Rect, arrow, shade.Rect.Min, draw.Src)
	left, bottom := c.place(0, 0).onScreen(vector{-0.5, -0.5})
	right, top := c.place(0, 0).onScreen(vector{0.5, 0.5})
	size := shade.Rect.Size()
	rod := make([]byte, c.size*c.size)
	for row := range c.size {
		y := texel(c.top+row, bottom, top, size.Y)
		for column := range c.size {
			light := 255 - opacity(shade, texel(c.left+column, left, right, size.X), y)
			rod[row*c.size+column] = scaled(rodRed, light) - scaled(rodGreen, light)
		}
	}
	axle := make([][shapes]span, c.size)
	c.cover(axle, 0, disc(axleRadius), c.place(0, 0))
	for row, covered := range axle {
		clear(rod[row*c.size:][covered[0].first:covered[0].last])
	}
	c.spans.New = func() any {
		rows := make([][shapes]span, c.size)
		return &rows
	}
	c.rod = newResizable(rod, c.size, side)
	return c, nil
}

// scaled returns v·share/255, rounded to the nearest byte.
func scaled(v, share int) byte { return byte((v*share + 127) / 255) }

// texel maps the centre of a screen pixel into an image of the given size that is stretched over the screen from start to end. The result is the
// distance from the centre of the image's first pixel, in units of 1/256 of a pixel. The arithmetic is that of Mesa's software renderer: a line in
// float32 from the image's lower left, rounded to the unit.
func texel(pixel int, start, end float32, size int) int {
	slope := float32(size) / (end - start)
	first := -float32(slope * (start - 0.5))
	return int(math.RoundToEven(256*float64(fused(slope, float32(pixel), first)))) - 128
}

// fused returns a·b + c, rounded once.
func fused(a, b, c float32) float32 { return float32(float64(a)*float64(b) + float64(c)) }

// opacity interpolates an image at a position from texel, measured from its lower left. Mesa's software renderer interpolates along two rows first,
// then between them, and rounds to bytes each time. Outside of the image the opacity is 0.
func opacity(shade *image.Alpha, x, y int) int {
	at := func(dx, dy int) int { return int(shade.AlphaAt(x>>8+dx, shade.Rect.Dy()-1-(y>>8+dy)).A) }
	mix := func(a, b, share int) int { return a + ((b-a)*share+128)>>8 }
	u, v := x&255, y&255
	return mix(mix(at(0, 0), at(1, 0), u), mix(at(0, 1), at(1, 1), u), v)
}

// disc returns the corners of the polygon that gym draws for a disc: thirty, anticlockwise from the right.
func disc(radius float64) []vector {
	corners := make([]vector, 30)
	for i := range corners {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(len(corners)))
		corners[i] = vector{radius * cos, radius * sin}
	}
	return corners
}

// placement is the affine map of a shape to OpenGL's coordinates, −1..1 across the screen. The rounding of a corner decides which pixels are
// covered, so the arithmetic is that of Mesa: float32, in the same order. The explicit conversions keep Go from fusing products and sums.
type placement struct{ xx, xy, yx, yy, x, y, half float32 }

// place returns the map that moves a shape along its first axis and then turns it by an angle in radians. gym passes the angle in degrees.
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

// onScreen returns the position of a corner in pixels from the upper left of the screen.
func (p placement) onScreen(corner vector) (right, down float32) {
	x, y := float32(corner[0]), float32(corner[1])
	along := float32(float32(p.xx*x)+float32(p.xy*y)) + p.x
	up := float32(float32(p.yx*x)+float32(p.yy*y)) + p.y
	return fused(along, p.half, p.half), fused(up, -p.half, p.half)
}

// sincos32 returns the sine and the cosine that the GNU C library's sinf and cosf give, which are not always the nearest float32. They use the
// minimax polynomials of degree 7 and 8 on ±π/4 (for sin x/x and cos x).
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

// cover sets a shape's span in each row to the pixels of the crop whose centres lie in a convex polygon or on its left or bottom edge. The corners
// come anticlockwise in units of the world. Like OpenGL, cover rounds them to 1/256 of a pixel.
func (c *Camera) cover(rows [][shapes]span, shape int, corners []vector, place placement) {
	const unitBits, unit = 8, 1 << 8
	at := func(corner vector) image.Point { // units from the centre of the crop's first pixel
		x, y := place.onScreen(corner)
		return image.Pt(int(math.RoundToEven(float64(unit*(x-0.5))))-unit*c.left, int(math.RoundToEven(float64(unit*(y-0.5))))-unit*c.top)
	}
	a := at(corners[len(corners)-1])
	for _, corner := range corners {
		b := at(corner)
		upper, lower := a, b
		if a.Y > b.Y {
			upper, lower = b, a
		}
		// An edge that goes down bounds its rows on the left, an edge that goes up on the right. A row at a corner belongs to the edges above it.
		if dx, dy := lower.X-upper.X, lower.Y-upper.Y; dy > 0 {
			row, end := max(0, upper.Y>>unitBits+1), min(c.size, lower.Y>>unitBits+1)
			// x is the first pixel whose centre is not left of the edge. beyond is the distance between the two, in 1/dy of a unit.
			x, beyond := ceiling(upper.X*dy+(row*unit-upper.Y)*dx, dy*unit)
			step, more := ceiling(dx, dy)
			for ; row < end; row++ {
				if a.Y < b.Y {
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

// ceiling returns n/d rounded up, and quotient·d − n. d is positive.
func ceiling(n, d int) (quotient, lack int) {
	quotient = n / d
	if quotient*d < n {
		quotient++
	}
	return quotient, quotient*d - n
}

// shapes counts the parts of the rod: a rectangle and a disc at either end.
const shapes = 3

var (
	rodSides = []vector{{0, -rodRadius}, {rodLength, -rodRadius}, {rodLength, rodRadius}, {0, rodRadius}}
	rodEnd   = disc(rodRadius)
)

// Frame renders the pendulum at an angle from upright, anticlockwise, in radians. It returns Side×Side shades, row by row: 128 on the rod, 0 off it.
func (c *Camera) Frame(angle float64) []byte {
	spans := c.spans.Get().(*[][shapes]span)
	defer c.spans.Put(spans)
	rows := *spans
	clear(rows)
	angle += math.Pi / 2
	pivot := c.place(angle, 0)
	c.cover(rows, 0, rodSides, pivot)
	c.cover(rows, 1, rodEnd, pivot)
	c.cover(rows, 2, rodEnd, c.place(angle, rodLength))
	return c.rod.resize(rows)
}
