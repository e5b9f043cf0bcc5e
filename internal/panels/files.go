package panels

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg/vgsvg"

	"hnn/internal/files"
)

// SVG returns the figure as a document without a background that suits a light and a dark page: on a dark one, black and dark greys become light, and
// light greys dark. Programs without media queries show it as for white paper. Text stays text, so that readers can search it.
func (f *Figure) SVG() ([]byte, error) {
	canvas := vgsvg.New(f.Size())
	f.Draw(canvas)
	var content bytes.Buffer
	if _, err := canvas.WriteTo(&content); err != nil {
		return nil, fmt.Errorf("panels: SVG: %w", err)
	}
	head, body, _ := strings.Cut(content.String(), ">\n<g ")
	body = strings.ReplaceAll(body, "font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;", "")
	body = strings.ReplaceAll(body, "<image ", `<image preserveAspectRatio="none" `) // a picture fills its rectangle, as it does in a PNG
	body = strings.ReplaceAll(body, "data:image/jpg;", "data:image/png;")            // vgsvg embeds PNGs, but calls them JPEGs
	head += ` font-family="Liberation Sans,Arial,Helvetica,sans-serif">` + "\n"
	return []byte(head + mirrored(body) + "<g " + body), nil
}

var greys = regexp.MustCompile(`(fill|stroke):#([0-9A-F]{2})([0-9A-F]{2})([0-9A-F]{2})`)

// mirrored returns a style sheet for the greys of a document on a dark page: white becomes nearly black, black nearly white.
func mirrored(document string) string {
	const darkest, lightest = 20, 232
	rules := map[string]bool{}
	for _, match := range greys.FindAllStringSubmatch(document, -1) {
		if match[2] == match[3] && match[3] == match[4] {
			grey, _ := strconv.ParseUint(match[2], 16, 8) // two digits of base 16, by the expression
			shade := lightest - grey*(lightest-darkest)/255
			rules[fmt.Sprintf("svg [style*=%q]{%s:#%02x%02x%02x!important}", match[0], match[1], shade, shade, shade)] = true
		}
	}
	black := fmt.Sprintf(`svg text:not([style*="fill:"]),svg path:not([style*="fill:"]){fill:#%02x%02x%02x}`, lightest, lightest, lightest)
	return "<style>svg{color-scheme:light dark}@media(prefers-color-scheme:dark){" + black +
		strings.Join(slices.Sorted(maps.Keys(rules)), "") + "}</style>\n"
}

// PNG returns the figure on white, in 256 colours at most, 2.2 pixels to a point.
func (f *Figure) PNG() ([]byte, error) {
	raster := f.Raster(160).Image().(*image.RGBA)
	var content bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&content, Paletted(raster, Frequent(256, raster))); err != nil {
		return nil, fmt.Errorf("panels: PNG: %w", err)
	}
	return content.Bytes(), nil
}

// Write writes the figure as PNG and as SVG, and returns the paths: a stem with these extensions.
func (f *Figure) Write(stem string) (paths []string, err error) {
	for _, format := range []struct {
		extension string
		encode    func() ([]byte, error)
	}{{".png", f.PNG}, {".svg", f.SVG}} {
		content, err := format.encode()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", stem+format.extension, err)
		}
		if err := files.Write(stem+format.extension, content); err != nil {
			return nil, err
		}
		paths = append(paths, stem+format.extension)
	}
	return paths, nil
}

// Frequent returns the most frequent colours of pictures, n at most, the most frequent first. It divides the range of each component into 32 parts,
// and returns only the most frequent one of the colours that share all parts: the edges of letters have many colours that nobody can tell apart.
func Frequent(n int, pictures ...*image.RGBA) (colors color.Palette) {
	count := map[color.RGBA]int{}
	for _, picture := range pictures {
		for first, i := 0, 0; i < len(picture.Pix); i += 4 { // one look-up for each run of a colour
			if i+4 == len(picture.Pix) || rgba(picture.Pix[i+4:]) != rgba(picture.Pix[i:]) {
				count[rgba(picture.Pix[i:])] += (i + 4 - first) / 4
				first = i + 4
			}
		}
	}
	order := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], slices.Compare([]uint8{a.R, a.G, a.B, a.A}, []uint8{b.R, b.G, b.B, b.A}))
	})
	near := map[color.RGBA]bool{}
	for _, c := range order {
		if group := (color.RGBA{c.R / 8, c.G / 8, c.B / 8, c.A / 8}); !near[group] && len(colors) < n {
			near[group], colors = true, append(colors, c)
		}
	}
	return colors
}

// Paletted gives each pixel the nearest colour of a palette. It searches the palette once for each of a figure's few colours, where package
// image/draw would do so for every pixel.
func Paletted(raster *image.RGBA, colors color.Palette) *image.Paletted {
	p := image.NewPaletted(raster.Bounds(), colors)
	nearest := map[color.RGBA]uint8{}
	for i := range p.Pix {
		c := rgba(raster.Pix[4*i:])
		index, ok := nearest[c]
		if !ok {
			index = uint8(colors.Index(c))
			nearest[c] = index
		}
		p.Pix[i] = index
	}
	return p
}

func rgba(pixel []uint8) color.RGBA { return color.RGBA{pixel[0], pixel[1], pixel[2], pixel[3]} }
