package datasets

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"hnn/internal/tables"
)

// oneLine reports whether an error is one line with a text.
func oneLine(err error, want string) bool {
	return err != nil && strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "\n")
}

func TestHostileTables(t *testing.T) {
	fast := func(_, row int) string { return fmt.Sprintf("%de-300,%g", row, math.Cos(float64(row))) }
	long := strings.Repeat("x", 101)
	for content, want := range map[string]string{
		"t,q,p\n0,1,\x00\n":                     "own.csv, line 2: the line has a byte 0; it must be text in UTF-8",
		"\xff\xfet\x00,\x00q\x00\n":             "own.csv, line 1: the line has a byte 0",
		strings.Repeat("q,p,t,", 1<<18):         "own.csv, line 1: the line has more than 1048576 bytes",
		"# " + strings.Repeat("x", 1<<20):       "own.csv, line 1: the line has more than",
		strings.Repeat("q,", mostColumns) + "p": "own.csv, line 1: the header names 10001 columns; there can be 10000",
		"t,q,p\n\"1\n2\",3,4\n":                 "own.csv, line 2: a quotation mark has no second one in this line",
		"t,q,p\n0,1,\"2\"\"\n":                  "own.csv, line 2: a quotation mark",
		"t,q,p\n0,1,2\"3\"\n":                   `own.csv, line 2, character 6: bare " in non-quoted-field`,
		"t,q,p\n0,1,3.5e38\n":                   `own.csv, line 2, column 3 (p1): "3.5e38" is beyond float32, which holds numbers up to 3.4e+38`,
		"t,q,p\n0,1,-1e999\n":                   `"-1e999" is beyond float32`,
		"t,q,p\n0,1,0_1\n":                      `"0_1" is not a finite number`,
		"t,q,p,m\x1b[2J\n":                      `own.csv, line 1: column 4: "m\x1b[2J" has a character that cannot be printed`,
		"t,q [m\u202e],p\n":                     `line 1: column 2: "q [m\u202e]" has a character`,
		"t,q,p,m\xff\n":                         `line 1: column 4: "m\xff" has a character`,
		"t,q,p," + long + "\n":                  `line 1: column 4: "xxxxxxxxxxxxxxxxxxxx"… has 101 bytes; at most 100 are possible`,
		"t,q,p,trajectory\n0,1,2,a\x07\n":       `line 2, column 4 (trajectory): "a\a" has a character`,
		"t,q,p,trajectory\n0,1,2," + long:       `line 2, column 4 (trajectory): "xxxxxxxxxxxxxxxxxxxx"… has 101 bytes`,
		"t,q,p\n0,1,0x1p3\n":                    `"0x1p3" is not a finite number`,
		rows("t,q", 1, 20, fast):                "line 2, column 1 (t): the slope at this time is ",
		rows("t,q,p", 1, 20, func(i, j int) string { return fast(i, j) + fmt.Sprint(",", j) }): "line 2, column 1 (t): the slope at this time is ",
	} {
		if _, err := FromTable(written(t, content)); !oneLine(err, want) {
			t.Errorf("%.60q: got the error %.400v, want one line with %q", content, err, want)
		}
	}
}

// The name of a file becomes that of a task, of files and of pictures.
func TestNamesOfTables(t *testing.T) {
	content := rows("t,q,p", 1, 20, func(_, row int) string { return strings.TrimPrefix(swing(0, row), "0,") })
	for name, want := range map[string]string{
		".csv":                           "nothing before its extension",
		"a\x1b]0;b\a.csv":                `but "a\x1b]0;b\a" has a character that cannot be printed; give the file another name`,
		"a\xff.csv":                      `but "a\xff" has a character`,
		strings.Repeat("µ", 51) + ".csv": "has 102 bytes; at most 100 are possible",
	} {
		if _, err := FromTable(filepath.Join(t.TempDir(), name)); !oneLine(err, want) {
			t.Errorf("%q: got the error %v, want one line with %q", name, err, want)
		}
	}
	for name, want := range map[string]string{"-dash.csv": "-dash", "ħ = 1.data.csv": "ħ = 1.data", strings.Repeat("µ", 50): strings.Repeat("µ", 50)} {
		if task, err := table(t, name, content); err != nil || task.Name != want {
			t.Errorf("%q: the task is named %q, error %v", name, task.Name, err)
		}
	}
}

// endless writes a text again and again, and counts its bytes.
type endless struct {
	text string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text[(e.read+n)%len(e.text):])
	}
	e.read += n
	return n, nil
}

// readCSV reads a CSV table that is no file.
func readCSV(name string, r io.Reader, like *Observations) (*userTable, error) {
	return newTable(name, like, Share{}, func(choose tables.Choose) (*tables.Table, error) { return tables.ReadCSV(name, r, choose) })
}

// What never ends is refused as soon as it is no table.
func TestEndlessInputs(t *testing.T) {
	most := (2*runtime.GOMAXPROCS(0) + 4) << 20 // a chunk that each processor reads, one that waits for it, and a few more
	for text, want := range map[string]string{"\x00": "line 1: the line has a byte 0", "x": "line 1: the line has more than 1048576 bytes", "\"\n": "line 1: a quotation mark"} {
		input := &endless{text: text}
		if _, err := readCSV("pipe", input, nil); !oneLine(err, want) || input.read > most {
			t.Errorf("%q without end gave the error %v after %d bytes", text, err, input.read)
		}
	}
	input := &endless{text: "1,2,3\n"}
	_, err := readCSV("pipe", io.MultiReader(strings.NewReader("t,q,p\n"), input), nil)
	if !oneLine(err, "pipe, line 3, column 1 (t): time 1 does not follow 1") || !oneLine(err, "but fall back more than 1000 times") || input.read > most {
		t.Errorf("a row without end gave the error %v after %d bytes", err, input.read)
	}
}

// A table from a pipe, which can be read only once, has the hash of its bytes: comments, line ends and the mark of spreadsheets count.
func TestHash(t *testing.T) {
	content := "\ufeff# measured\r\n" + strings.ReplaceAll(rows("trajectory,t,q,p", 6, 20, swing), "\n", "\r\n")
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() { _ = os.WriteFile(pipe, []byte(content), 0o600) }()
	task, err := FromTable(pipe)
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(content))); err != nil || task.Hash != want || task.Observed.Hash != want {
		t.Errorf("the hash is %q, want %q; error %v", task.Hash, want, err)
	}
}

// Measurements of the real pendulum are read with the same care.
func TestHostileMeasurements(t *testing.T) {
	fall := ""
	for i := range 10 {
		fall += fmt.Sprintf("1 %de-300 %d %d\n", i, i*i, i)
	}
	for content, want := range map[string]string{
		"1 0 1 2\n\x00":         "own.csv, line 2: the line has a byte 0",
		"1 0 1e39 2\n":          `own.csv, line 1, column 3: "1e39" is beyond float32`,
		fall:                    "own.csv, time 0: the slope at this time is 1e+300, which float32 cannot hold",
		"% a mark: \"\n1 0 1 2": "own.csv: 1 rows are too few",
	} {
		if _, err := Real.WithFile(written(t, content)); !oneLine(err, want) {
			t.Errorf("%.60q: got the error %v, want one line with %q", content, err, want)
		}
	}
	if _, err := Real.WithFile("/dev/zero"); !oneLine(err, "/dev/zero, line 1: the line has a byte 0") {
		t.Errorf("zeros without end gave the error %v", err)
	}
}

// broken fails after some text.
type broken struct{ text *strings.Reader }

func (b broken) Read(p []byte) (int, error) {
	if b.text.Len() > 0 {
		return b.text.Read(p)
	}
	return 0, errors.New("the disk is broken")
}

func TestReadError(t *testing.T) {
	if _, err := readCSV("own.csv", broken{strings.NewReader("t,q,p\n0,1,2\n")}, nil); !oneLine(err, "the disk is broken") {
		t.Errorf("got the error %v", err)
	}
}

// Rows of two trajectories that alternate, with an angle that wraps after each turn, give the same samples in every format. The angle of the second
// one goes down from -1 by 1/2 in a row.
func TestFormatsGiveOneTask(t *testing.T) {
	const count = 42
	column := func(value func(trajectory, row int) float64) func(func(float64) bool) {
		return func(yield func(float64) bool) {
			for k := range count {
				if !yield(value(k%2, k/2)) {
					return
				}
			}
		}
	}
	angle := func(i, k int) float64 { return []float64{float64(k) / 2, -1 - float64(k)/2}[i] }
	outputs := []tables.Output{
		{Name: "q", Numbers: column(func(i, k int) float64 { return math.Remainder(angle(i, k), 2*math.Pi) })},
		{Name: "p", Numbers: column(func(i, k int) float64 { return math.Sin(float64(k + i)) })},
		{Name: "dq", Numbers: column(func(i, k int) float64 { return float64(100*i + k) })},
		{Name: "dp", Numbers: column(func(i, k int) float64 { return -float64(100*i + k) })},
		{Name: "t", Numbers: column(func(_, k int) float64 { return float64(k) })},
		{Name: "trajectory", Numbers: column(func(i, _ int) float64 { return float64(7 - i) })},
	}
	write := func(name string, write func(w io.Writer) error) string {
		var content bytes.Buffer
		path := filepath.Join(t.TempDir(), name)
		if err := write(&content); err != nil || os.WriteFile(path, content.Bytes(), 0o600) != nil {
			t.Fatal(err)
		}
		return path
	}
	labels := slices.Clone(outputs)
	labels[5] = tables.Output{Name: "trajectory", Labels: slices.Values(slices.Repeat([]string{"7", "6"}, count/2))}
	for _, path := range []string{
		write("own.npz", func(w io.Writer) error { return tables.WriteNPZ(w, count, outputs) }),
		write("own.parquet", func(w io.Writer) error { return tables.WriteParquet(w, labels) }),
	} {
		task, err := FromTable(path)
		data := generated(t, task, err)
		for i, s := range []Samples{data.Train, data.Test} {
			if s.X.Rows() != count/2 {
				t.Fatalf("%s: %d rows, want %d", path, s.X.Rows(), count/2)
			}
			for k := range count / 2 {
				x, dx := s.X.Row(k), s.DX.Row(k)
				if math.Abs(float64(x[0])-angle(i, k)) > 1e-5 || x[1] != float32(math.Sin(float64(k+i))) || dx[0] != float32(100*i+k) || dx[1] != -dx[0] {
					t.Errorf("%s: row %d of set %d is %v with the derivative %v", path, k, i, x, dx)
				}
			}
		}
	}
}

// FuzzTable reads any bytes as a table. What is read holds finite numbers, and as many as there should be.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{
		rows("trajectory,t [ms],q [deg],p1 [kg m^2/s],u2,u [N],mass [kg],g", 6, 9, func(i, j int) string { return swing(i, j) + fmt.Sprintf(",%d,%d,%d,9.81", j, -j, i%2+1) }),
		rows("trajectory,t,q", 3, 12, func(i, j int) string { return swing(i, j)[:strings.LastIndex(swing(i, j), ",")] }),
		circle("t,q,p", 1, func(_, row int) float64 { return float64(row) }),
		circle("q,p,dq,dp", 1, func(_, row int) float64 { return float64(row) }),
		circle("trajectory,t,q,p,dq,dp", 3, func(_, row int) float64 { return float64(row) }),
		"\ufeff# comment\r\nq1,p1,q2,p2,t\r\n\"1\",2,3,4,5\r\n",
		"t,q\n0,1\n1e-300,3e38\n2e-300,-3e38\n", "t,q,p\n0,0,0\n1e-45,0,0\n", "q,p,t\n\x00", "q;p;t\n", "t,q,\"p\n", "t,q,m\x1b\n", "q9,p9,t\n", "t,q,p\n0,1e39,0x1p-1074\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		table, err := readCSV("fuzz.csv", bytes.NewReader(content), nil)
		if err != nil {
			return
		}
		task, err := table.task("fuzz", TableOptions{})
		if err != nil {
			return
		}
		data, err := task.Generate(0)
		if err != nil {
			t.Fatal(err)
		}
		n := task.Dimension
		for _, s := range []Samples{data.Train, data.Test} {
			checkRows(t, s.X.Float64(0), s.X.Rows(), n)
			checkRows(t, s.DX.Float64(0), s.X.Rows(), n)
		}
		for _, comparison := range []func(Dataset) (Trajectories, error){task.Example, task.Trials} {
			trajectories, err := comparison(data)
			if err != nil {
				t.Fatal(err)
			}
			checkRows(t, [][]float64{trajectories.Times}, 1, len(trajectories.Times))
			for _, states := range trajectories.States {
				checkRows(t, states, len(states), n)
			}
		}
		if task.Observed == nil {
			return
		}
		at, err := readCSV("fuzz.csv", bytes.NewReader(content), task.Observed)
		if err != nil {
			t.Fatalf("the table is not one of its own system: %v", err)
		}
		checkObservations(t, *task.Observed)
		if o, err := at.at(*task.Observed); err == nil {
			checkObservations(t, o)
		}
	})
}

func checkObservations(t *testing.T, o Observations) {
	t.Helper()
	for _, s := range o.Trajectories {
		count := len(s.Times)
		checkRows(t, [][]float64{s.Times}, 1, count)
		checkRows(t, [][]float64{s.Constants}, 1, len(o.Constants))
		checkRows(t, s.States, count, 2*o.Positions)
		if o.Inputs != nil {
			checkRows(t, s.Inputs, count, len(o.Inputs))
		}
	}
}

func checkRows(t *testing.T, rows [][]float64, count, columns int) {
	t.Helper()
	if len(rows) != count {
		t.Fatalf("%d rows, want %d", len(rows), count)
	}
	for _, row := range rows {
		if len(row) != columns {
			t.Fatalf("a row has %d numbers, want %d", len(row), columns)
		}
		for _, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("a row is %v", row)
			}
		}
	}
}

// FuzzMeasurements reads measurements in the format of the real pendulum. What it accepts has finite numbers and consistent lengths.
func FuzzMeasurements(f *testing.F) {
	f.Add([]byte(measurements[:2000]), false)
	f.Add([]byte(measurements[:2000]), true)
	for _, text := range []string{"% o v\n0 1 2 3\n", "0 1e-45 0 0\n0 2e-45 1e38 0\n0 1 0 0\n", "0 0 1e39 0\n", "0 1 2\n", "0 0x1p3 0 0\n", "0 nan inf 1_0\n"} {
		f.Add([]byte(strings.Repeat(text, 9)), false)
	}
	f.Fuzz(func(t *testing.T, content []byte, increments bool) {
		data, err := Real.Parse("fuzz.txt", string(content), increments)
		if err != nil {
			return
		}
		for _, s := range []Samples{data.Train, data.Test} {
			checkRows(t, s.X.Float64(0), s.X.Rows(), 2)
			checkRows(t, s.DX.Float64(0), s.X.Rows(), 2)
			checkRows(t, [][]float64{s.Times}, 1, s.X.Rows())
		}
	})
}
