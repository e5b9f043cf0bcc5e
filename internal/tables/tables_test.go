package tables

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

// byName reads t as the time, trajectory as the label, names that begin with q or p into two blocks, and names that begin with w as float64.
func byName(names []string) (Layout, error) {
	l := Layout{Widths: make([]int, 2)}
	for _, name := range names {
		c := Column{Name: name}
		switch {
		case name == "t":
			c.Kind = Time
		case name == "trajectory":
			c.Kind = Label
		case name[0] == 'q' || name[0] == 'p':
			c.Kind, c.Block = Block, int('q'-name[0])
			c.Place = l.Widths[c.Block]
			l.Widths[c.Block]++
		case name[0] == 'w':
			c.Kind = Wide
		}
		l.Columns = append(l.Columns, c)
	}
	return l, nil
}

func choose(t *testing.T, want ...string) Choose {
	return func(names []string) (Layout, error) {
		if !slices.Equal(names, want) {
			t.Errorf("the columns are %q, want %q", names, want)
		}
		return byName(names)
	}
}

// The same rows, which numpy and pyarrow wrote (testdata/make.py), and their CSV.
func TestFormats(t *testing.T) {
	csv := filepath.Join(t.TempDir(), "rows.csv")
	text := "q1 [m],q2 [m],p1,p2,t,trajectory\n1.5,-2,1,2,0,b\n.1,3e38,3,4,.5,µ 2\n-0,1e-45,-5,6,.1,b\n"
	if err := os.WriteFile(csv, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	names := []string{"q1 [m]", "q2 [m]", "p1", "p2", "t", "trajectory"}
	paths := []string{csv, "testdata/rows.npy", "testdata/rows.npz", "testdata/compressed.npz", "testdata/rows.parquet", "testdata/plain.parquet"}
	for _, path := range paths {
		table, err := Read(path, choose(t, names...))
		if err != nil {
			t.Error(err)
			continue
		}
		want := [][]float32{{1.5, -2, .1, 3e38, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32}, {1, 2, 3, 4, -5, 6}}
		if table.Rows != 3 || !slices.Equal(table.Blocks[0], want[0]) || !slices.Equal(table.Blocks[1], want[1]) {
			t.Errorf("%s: the blocks are %v, want %v", path, table.Blocks, want)
		}
		if times := table.Wide[4]; times[0] != 0 || times[1] != .5 || math.Abs(times[2]-.1) > 1e-8 {
			t.Errorf("%s: the times are %v", path, times)
		}
		if !slices.Equal(table.Labels, []int32{0, 1, 0}) || !slices.Equal(table.Names, []string{"b", "µ 2"}) {
			t.Errorf("%s: the labels are %v of %q", path, table.Labels, table.Names)
		}
		if where := table.Where(2); where != "row 3" && (path != csv || where != "line 4") {
			t.Errorf("%s: the third row is at %s", path, where)
		}
		content, err := os.ReadFile(path)
		if want := fmt.Sprintf("%x", sha256.Sum256(content)); err != nil || table.Hash != want {
			t.Errorf("%s: the hash is %s, want %s", path, table.Hash, want)
		}
	}
}

func TestErrorsOfFormats(t *testing.T) {
	for path, want := range map[string]string{
		"plain.npy":          "plain.npy: the array has no names of columns; save a structured array, or arrays by name with numpy.savez",
		"fortran.npz":        `fortran.npz: the array "q.npy": it is in Fortran's order; numpy.ascontiguousarray gives the order`,
		"big-endian.npz":     `big-endian.npz: the array "q.npy": its type is ">f8"; '<f4', '<f8', '<i4' and '<i8' are read`,
		"lengths.npz":        `lengths.npz: the array "p.npy" has 2 rows, and "q.npy" has 3`,
		"null.parquet":       "null.parquet, row 2, column 2 (q): the value is null; each row needs one",
		"nan.parquet":        "nan.parquet, row 3, column 2 (q): NaN is not a finite number",
		"nested.parquet":     "nested.parquet: column 1 (q) is nested; each row of a column is one value",
		"timestamps.parquet": "timestamps.parquet: column 1 (q) is of type TIMESTAMP(",
	} {
		if _, err := Read(filepath.Join("testdata", path), byName); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want %q", err, want)
		}
	}
	refused := errors.New("refused")
	for _, path := range []string{"rows.npy", "rows.npz", "rows.parquet"} {
		if _, err := Read(filepath.Join("testdata", path), func([]string) (Layout, error) { return Layout{}, refused }); !errors.Is(err, refused) {
			t.Errorf("%s: got the error %v of the columns", path, err)
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe.npz")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() { _ = os.WriteFile(pipe, nil, 0o600) }()
	if _, err := Read(pipe, byName); err == nil || !strings.Contains(err.Error(), "only a CSV table may be one") {
		t.Errorf("a pipe gave the error %v", err)
	}
}

// A flipped bit of a file gives an error or other numbers, but no panic; cut files give an error.
func TestDamagedFiles(t *testing.T) {
	for _, name := range []string{"rows.npy", "rows.npz", "compressed.npz", "rows.parquet", "plain.parquet"} {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		read := func(content []byte) error {
			_, err := readBinary(name, filepath.Ext(name), bytes.NewReader(content), int64(len(content)), byNameOrSkip)
			return err
		}
		for at := range content {
			damaged := slices.Clone(content)
			damaged[at] ^= 1 << (at % 8)
			_ = read(damaged)
			if read(content[:at]) == nil {
				t.Errorf("%s of %d bytes was read", name, at)
			}
		}
	}
}

// byNameOrSkip is byName for names that may be damaged.
func byNameOrSkip(names []string) (Layout, error) {
	if slices.Contains(names, "") {
		return Layout{}, errors.New("a column has no name")
	}
	var once [2]bool
	l, err := byName(names)
	for i, c := range l.Columns {
		if c.Kind == Label || c.Kind == Time {
			if k := int(c.Kind - Time); once[k] {
				l.Columns[i].Kind = Skip
			} else {
				once[k] = true
			}
		}
	}
	return l, err
}

// lines makes a CSV of rows that alternate between labels, with comments and empty lines between them.
func lines(rows int, change func(row int) string) string {
	var text strings.Builder
	text.WriteString("\ufeff# made by a test\r\n\r\nq1,t,trajectory,p1\r\n")
	for row := range rows {
		if row%1000 == 999 {
			text.WriteString("# a comment \" with one mark\n\r\n")
		}
		fmt.Fprintf(&text, "%d, %d ,\"a,%d\"%s\t-%d\n", row, row, row%3, change(row), row)
	}
	return text.String()
}

// Chunks of a text join to one table, in any number of workers, and from a pipe that gives it byte by byte.
func TestChunks(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	const rows = 100_000
	text := lines(rows, func(int) string { return "," })
	for _, processors := range []int{1, 2, 7} {
		runtime.GOMAXPROCS(processors)
		var source io.Reader = strings.NewReader(text)
		if processors == 7 {
			source = iotest.HalfReader(source)
		}
		table, err := ReadCSV("text", source, choose(t, "q1", "t", "trajectory", "p1"))
		if err != nil {
			t.Fatal(err)
		}
		labels := []string{"a,0", "a,1", "a,2"}
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(text))); table.Hash != want || table.Rows != rows || !slices.Equal(table.Names, labels) {
			t.Fatalf("%d rows of %q with the hash %s, want %s", table.Rows, table.Names, table.Hash, want)
		}
		line := 0
		for row := range rows {
			if line = row + 4 + 2*((row+1)/1000); table.Where(row) != fmt.Sprint("line ", line) {
				t.Fatalf("row %d is at %s, want line %d", row, table.Where(row), line)
			}
			if q, p, time, label := table.Blocks[0][row], table.Blocks[1][row], table.Wide[1][row], table.Labels[row]; q != float32(row) ||
				p != -q || time != float64(row) || label != int32(row%3) {
				t.Fatalf("row %d is %g, %g, %g of label %d", row, q, p, time, label)
			}
		}
	}
}

// The error is that of the first wrong line, though other workers find others.
func TestFirstError(t *testing.T) {
	text := lines(100_000, func(row int) string {
		if row >= 70_000 && row%10_000 == 77 {
			return ",x"
		}
		return ","
	})
	for range 5 {
		_, err := ReadCSV("text", strings.NewReader(text), byName)
		if want := `text, line 70221, column 4 (p1): "x\t-70077" is not a finite number`; err == nil || err.Error() != want {
			t.Fatalf("got the error %v, want %s", err, want)
		}
	}
	broken := io.MultiReader(strings.NewReader("q,t\n1,2\n3,4"), iotest.ErrReader(errors.New("the disk is broken")))
	if _, err := ReadCSV("text", broken, byName); err == nil || err.Error() != "the disk is broken" {
		t.Errorf("got the error %v", err)
	}
}

// Decimals of every length are the numbers of strconv, the sign of zero included.
func TestNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(0, 0))
	fields := []string{"0", "-0", "-0.0", "5.", ".5", "-.5", "123456789012345", "1234567890.12345", ".123456789012345", "1234567890123456", "9007199254740993",
		"0.3", "+1", " 1", "1e5", "1.5E-3", "000000000000001", ".0000000000000001"}
	for range 100_000 {
		digits := strconv.FormatUint(random.Uint64N(uint64(math.Pow10(1+random.IntN(18)))), 10)
		point := random.IntN(len(digits) + 1)
		fields = append(fields, []string{"", "-"}[random.IntN(2)]+digits[:point]+"."+digits[point:])
	}
	for _, field := range fields {
		got, err := ParseNumber(field)
		want, _ := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil || math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%s is %v, want %v; error %v", field, got, want, err)
		}
	}
	for _, field := range []string{"", ".", "-", "-.", "1.2.3", "--1", "1-", "1 2", "1,5", "nan", "0b1", "1_0"} {
		if got, err := ParseNumber(field); err == nil {
			t.Errorf("%q is the number %g", field, got)
		}
	}
}

func TestHostileText(t *testing.T) {
	for content, want := range map[string]string{
		"":                        "text is empty; its first line must name the columns, such as q1, p1, dq1, dp1",
		"# q\n\n":                 "text is empty",
		"q\n":                     "text has no rows below its header",
		"q,t\n1\n":                "text, line 2: 1 columns, but the header names 2",
		"q,t\n1,2,3\n":            "text, line 2: 3 columns, but the header names 2",
		"q,t\n1,\x00\n":           "text, line 2: the line has a byte 0; it must be text in UTF-8",
		"q,t\n\"1\n":              "text, line 2: a quotation mark has no second one in this line",
		"q,t\n1,2\"3\"\n":         `text, line 2, character 4: bare " in non-quoted-field`,
		"q,t\n1,3.5e38\n":         `text, line 2, column 2 (t): "3.5e38" is beyond float32, which holds numbers up to 3.4e+38`,
		"q,t\n1,-1e999\n":         `"-1e999" is beyond float32`,
		"q,t\n1,0_1\n":            `"0_1" is not a finite number`,
		"q,t\n1,0x1p3\n":          `"0x1p3" is not a finite number`,
		"q,t\n1,-Inf\n":           `"-Inf" is not a finite number`,
		"q,t\n1, \n":              `"" is not a finite number`,
		"q,trajectory\n1,a\x07\n": `text, line 2, column 2 (trajectory): "a\a" has a character that cannot be printed`,
		"q\n" + strings.Repeat("1", longestLine) + "\n":            "text, line 2: the line has more than 1048576 bytes",
		"q\n" + strings.Repeat("1\n", 1<<19) + "2\n\x00":           "text, line 524291: the line has a byte 0",
		strings.Repeat("# x\n", 1<<19) + "q\n1,2\n":                "text, line 524290: 2 columns, but the header names 1",
		strings.Repeat("# x\n", 1<<19) + "q\n1\r\r\n2\r\n3\r\n,\n": "text, line 524293: 2 columns, but the header names 1",
	} {
		if _, err := ReadCSV("text", strings.NewReader(content), byName); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got the error %.300v, want %q", content, err, want)
		}
	}
}

// Times that fall back end the reading of what never ends.
func TestEndlessTimes(t *testing.T) {
	count := 0
	endless := iotest.DataErrReader(reader(func(p []byte) (int, error) {
		count += len(p)
		return copy(p, strings.Repeat("1,2\n", len(p)/4+1)), nil
	}))
	table, err := ReadCSV("text", io.MultiReader(strings.NewReader("q,t\n"), endless), byName)
	if most := (2*runtime.GOMAXPROCS(0) + 4) * longestLine; err != nil || table.Rows <= MostFalls || count > most {
		t.Errorf("%d bytes were read, want at most %d; error %v", count, most, err)
	}
}

type reader func(p []byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }
