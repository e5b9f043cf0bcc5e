package pendulum

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"hnn/datasets"
)

// The table holds the numbers of the published file.
func TestTable(t *testing.T) {
	o, err := datasets.ReadObservations("pendulum.csv", datasets.TableOptions{Angles: []string{"q1"}})
	if err != nil {
		t.Fatal(err)
	}
	published, err := os.ReadFile("../../datasets/real_pend_h_1.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(published)), "\n")[1:] // without the line of names
	observed := o.Trajectories[0]
	if len(o.Trajectories) != 1 || len(rows) != len(observed.Times) || o.TimeName != "t [s]" {
		t.Fatalf("%d trajectories, %d rows of %d, time %s", len(o.Trajectories), len(observed.Times), len(rows), o.TimeName)
	}
	for k, row := range rows {
		var trial, time, q, p float64
		if _, err := fmt.Sscan(row, &trial, &time, &q, &p); err != nil || time != observed.Times[k] || q != observed.States[k][0] || p != observed.States[k][1] {
			t.Fatalf("row %d is %g, %g, published %s, error %v", k, observed.Times[k], observed.States[k], row, err)
		}
	}
}
