package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/nets"
)

func execute(t *testing.T, arguments ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errors bytes.Buffer
	err = run(context.Background(), arguments, &out, &errors)
	return out.String(), errors.String(), err
}

// trained writes a table of a harmonic oscillator with the input u1, and models of seeds 0 and 1 that are H = p²/2 + stiffness·q²/2 and the
// force u1. It returns the flags that name them.
func trained(t *testing.T, stiffness ...float64) []string {
	t.Helper()
	folder := t.TempDir()
	table := "t,q1,p1,u1 [N]\n"
	for i := range 40 {
		time := float64(i) / 5
		table += fmt.Sprintf("%g,%g,%g,%d\n", time, math.Cos(time), -math.Sin(time), i%2)
	}
	data := filepath.Join(folder, "spring.csv")
	if err := os.WriteFile(data, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	for seed, k := range stiffness {
		config := hamiltonian.Config{Dimension: 2, Hidden: 4, HiddenLayers: 1, Activation: "tanh", FieldType: hamiltonian.Solenoidal, Inputs: 1, Kinetic: hamiltonian.Quadratic, Friction: hamiltonian.NoFriction}
		r := fit.Result{Record: fit.Record{Origin: nets.Origin{Task: "spring"}, Model: hamiltonian.Port.Name, Config: config, Scaling: hamiltonian.Unit(2, 1)}}
		r.Equation = hamiltonian.Port.Equation(config)
		r.Parameters = r.Equation.Zeros()
		values := map[string][2]float64{"kinetic.": {1, 1}, "elastic.": {1, k}, "input.": {1}}
		r.Parameters.EachLayer(r.Equation.Networks, func(network, layer int, weight, _ []float32) {
			if v, ok := values[r.Equation.Networks[network].Prefix]; ok {
				weight[0] = float32(v[layer])
			}
		})
		if err := r.Save(fit.Files(folder, "spring", hamiltonian.Port.Name, uint64(seed)), true); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"-data", data, "-save-dir", folder}
}

// numbers returns the columns of a CSV text by name.
func numbers(t *testing.T, text string) map[string][]float64 {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string][]float64{}
	for j, name := range rows[0] {
		for _, row := range rows[1:] {
			v, err := strconv.ParseFloat(row[j], 64)
			if err != nil {
				t.Fatal(err)
			}
			columns[name] = append(columns[name], v)
		}
	}
	return columns
}

// From the flags -start, q = cos t without a force, and q = 1 with a force of 1 at q = 1: at rest.
func TestStarts(t *testing.T) {
	out, _, err := execute(t, append(trained(t, 1), "-start", "q=1,p=0,u=0", "-start", "p1=0,q1=1,u1=1", "-times", "1:5:0.01")...)
	if err != nil {
		t.Fatal(err)
	}
	got := numbers(t, out)
	if len(got) != 6 || len(got["q1"]) != 802 || got["t"][400] != 5 {
		t.Fatalf("%d columns and %d rows: %.100s", len(got), len(got["q1"]), out)
	}
	for i, time := range got["t"] {
		want := []float64{math.Cos(time - 1), -math.Sin(time - 1), 0.5}
		if got["trajectory"][i] == 2 {
			want = []float64{1, 0, 0.5}
		}
		for j, name := range []string{"q1", "p1", "H"} {
			if math.Abs(got[name][i]-want[j]) > 1e-5 {
				t.Fatalf("row %d: %s is %g, want %g", i, name, got[name][i], want[j])
			}
		}
	}
}

// A table gives the starts, the times and the inputs; the file has a row for each of its rows. Seeds 0 and 1 are an ensemble.
func TestTable(t *testing.T) {
	flags := trained(t, 1, 1.21)
	at, out := filepath.Join(t.TempDir(), "at.csv"), filepath.Join(t.TempDir(), "out.csv")
	if err := os.WriteFile(at, []byte("trajectory,t,q1,p1,u1,E\na,0,1,0,0,7\na,1,0,0,0,8\nb,0,2,0,0,9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := execute(t, append(flags, "-at", at, "-out", out, "-seeds", "0,1")...); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	if lines[0] != "trajectory,t,q1,p1,H,supplied,sd_q1,sd_p1" || !strings.HasPrefix(lines[1], "a,0,1,0,") || !strings.HasPrefix(lines[3], "b,0,2,0,") {
		t.Fatalf("got\n%s", content)
	}
	row := strings.Split(lines[2], ",")
	q, _ := strconv.ParseFloat(row[2], 64)
	if want := (math.Cos(1) + math.Cos(1.1)) / 2; math.Abs(q-want) > 1e-5 {
		t.Errorf("the mean of q after 1 is %g, want %g", q, want)
	}
}

func TestErrorsAreOneLineThatSaysWhatIsRight(t *testing.T) {
	flags := trained(t, 1)
	// A model that was trained on derivatives, under the name of a model of this table.
	if weights, err := os.ReadFile("../../hamiltonian/testdata/real-hnn.tar"); err != nil || os.WriteFile(filepath.Join(flags[3], "spring-hnn.tar"), weights, 0o600) != nil {
		t.Fatal(err)
	}
	for want, arguments := range map[string][]string{
		"-data is missing":           {},
		"either -at":                 flags,
		"go together":                append(flags, "-start", "q=1,p=0,u=0"),
		"lacks p1":                   append(flags, "-start", "q=1,u=0", "-times", "0:1:0.1"),
		`has "mass=1"`:               append(flags, "-start", "q=1,p=0,u=0,mass=1", "-times", "0:1:0.1"),
		"must be first:last:step":    append(flags, "-start", "q=1,p=0,u=0", "-times", "0:1"),
		`has "x"`:                    append(flags, "-start", "q=1,p=0,u=0", "-times", "0:x:1"),
		"rk45, leapfrog, midpoint":   append(flags, "-start", "q=1,p=0,u=0", "-times", "0:1:0.1", "-integrator", "euler"),
		"-model port -seed 7` makes": append(flags, "-start", "q=1,p=0,u=0", "-times", "0:1:0.1", "-seeds", "7"),
		"spring-hnn.tar: this is no model of a measured system; ./train makes one if the table has times and no derivatives": append(flags, "-start", "q=1,p=0,u=0", "-times", "0:1:0.1", "-model", "hnn"),
		"has 10001 times, and there are 2 starts and 1000 seeds; together at most 1e+07 rows":                                append(flags, "-start", "q=1,p=0,u=0", "-start", "q=2,p=0,u=0", "-times", "0:10000:1", "-seeds", "0-999"),
		"at most 1e+07 times":                    append(flags, "-start", "q=1,p=0,u=0", "-times", "0:1e300:1e-300"),
		"would make 1e+12 steps in trajectory 1": append(flags, "-start", "q=1,p=0,u=0", "-times", "0:1:0.1", "-integrator", "midpoint", "-step", "1e-12"),
		`has "q=1e39"`:                           append(flags, "-start", "q=1e39,p=0,u=0", "-times", "0:1:0.1"),
		"no such file":                           append(flags, "-at", "nothing.csv"),
		"written as .npz":                        append(flags, "-at", flags[1], "-out", "out.npy"),
		"-help lists":                            {"-cudda"},
	} {
		_, _, err := execute(t, arguments...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v gave the error %v, want one line with %q", arguments, err, want)
		}
	}
	if out, _, err := execute(t, "-help"); err != nil || !strings.Contains(out, "-integrator") {
		t.Errorf("-help gave %q and the error %v", out, err)
	}
}

// The output overwrites no input, and a model of another table is refused.
func TestOtherFiles(t *testing.T) {
	flags := trained(t, 1)
	data, folder := flags[1], flags[3]
	start := []string{"-start", "q=1,p=0,u=0", "-times", "0:1:0.1"}
	for _, path := range []string{data, filepath.Join(folder, "spring-port.tar")} {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = execute(t, append(append(flags, start...), "-out", path)...)
		if after, _ := os.ReadFile(path); err == nil || !strings.Contains(err.Error(), "would overwrite "+path) || !bytes.Equal(before, after) {
			t.Errorf("-out %s gave the error %v", path, err)
		}
	}
	other := filepath.Join(folder, "other.csv")
	content, err := os.ReadFile(data)
	if err == nil {
		err = errors.Join(os.WriteFile(other, content, 0o600), os.Rename(filepath.Join(folder, "spring-port.tar"), filepath.Join(folder, "other-port.tar")))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := execute(t, append(start, "-data", other, "-save-dir", folder)...); err == nil || !strings.Contains(err.Error(), `is a model "port" of "spring"`) {
		t.Errorf("a model of another table gave the error %v", err)
	}
}
