package prediction

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"runtime"
	"strconv"

	"hnn/datasets"
	"hnn/internal/files"
	"hnn/internal/tables"
)

// Write writes a file and replaces an older one atomically. By the extension of its name it is .npz, .parquet, or else CSV. Its columns are those
// of WriteCSV.
func Write(path string, at datasets.Observations, p Prediction) error {
	return files.Replace(path, func(w io.Writer) error {
		if write := tables.Writer(path); write != nil {
			return write(w, p.rows(), outputs(at, p))
		}
		return WriteCSV(w, at, p)
	})
}

// outputs returns the columns of predictions, row by row.
func outputs(at datasets.Observations, p Prediction) []tables.Output {
	list := []tables.Output{{Name: "trajectory", Labels: func(yield func(string) bool) {
		p.each(func(i, _ int) bool { return yield(label(at.Trajectories[i], i)) })
	}}}
	for _, c := range columns(at, p) {
		list = append(list, tables.Output{Name: c.name, Numbers: func(yield func(float64) bool) {
			p.each(func(i, k int) bool { return yield(c.number(at.Trajectories[i], p.Trajectories[i], k)) })
		}})
	}
	return list
}

// rows returns the number of rows of all trajectories.
func (p Prediction) rows() (count int) {
	for _, t := range p.Trajectories {
		count += len(t.States)
	}
	return count
}

// each calls use for every row of every trajectory, until it returns false.
func (p Prediction) each(use func(trajectory, row int) bool) {
	for i, t := range p.Trajectories {
		for k := range t.States {
			if !use(i, k) {
				return
			}
		}
	}
}

// WriteCSV writes the predictions of the trajectories of at, in their order. The columns are trajectory, t, q1.., p1..;
// H, dissipated and supplied if the models have them; and sd_q1.., sd_p1.., if there are several models. Trajectories without a label are
// numbered from 1. A time has all its digits, and other numbers have ten.
func WriteCSV(w io.Writer, at datasets.Observations, p Prediction) error {
	if _, err := io.WriteString(w, header(at, p)); err != nil {
		return err
	}
	// Blocks of rows are formatted in parallel and written in their order.
	pending := make(chan chan []byte, runtime.GOMAXPROCS(0))
	go func() {
		defer close(pending)
		const block = 8192
		var spans []span
		count := 0
		flush := func() {
			block := spans
			result := make(chan []byte, 1)
			pending <- result
			go func() { result <- format(at, p, block) }()
			spans, count = nil, 0
		}
		for i, t := range p.Trajectories {
			for first := 0; first < len(t.States); {
				last := min(len(t.States), first+block-count)
				spans, count = append(spans, span{i, first, last}), count+last-first
				if first = last; count == block {
					flush()
				}
			}
		}
		flush()
	}()
	var failure error
	for result := range pending {
		if text := <-result; failure == nil {
			_, failure = w.Write(text)
		}
	}
	return failure
}

// column is a column of numbers.
type column struct {
	name   string
	number func(o datasets.Observed, t Predicted, row int) float64
}

// columns returns the columns of predictions after the first one, trajectory. The time comes first.
func columns(at datasets.Observations, p Prediction) []column {
	list := []column{{"t", func(o datasets.Observed, _ Predicted, k int) float64 { return o.Times[k] }}}
	components := func(prefix string, rows func(Predicted) [][]float64) {
		for i := range 2 * at.Positions {
			name := fmt.Sprint(prefix, []string{"q", "p"}[i/at.Positions], i%at.Positions+1)
			list = append(list, column{name, func(_ datasets.Observed, t Predicted, k int) float64 { return rows(t)[k][i] }})
		}
	}
	energy := func(there bool, name string, values func(Predicted) []float64) {
		if there {
			list = append(list, column{name, func(_ datasets.Observed, t Predicted, k int) float64 { return values(t)[k] }})
		}
	}
	components("", func(t Predicted) [][]float64 { return t.States })
	energy(p.Energy, "H", func(t Predicted) []float64 { return t.H })
	energy(p.Friction, "dissipated", func(t Predicted) []float64 { return t.Dissipated })
	energy(p.Driven, "supplied", func(t Predicted) []float64 { return t.Supplied })
	if p.Trajectories[0].Deviations != nil {
		components("sd_", func(t Predicted) [][]float64 { return t.Deviations })
	}
	return list
}

func header(at datasets.Observations, p Prediction) string {
	text := "trajectory"
	for _, c := range columns(at, p) {
		text += "," + c.name
	}
	return text + "\n"
}

const digits = 10 // of a predicted number; float32 holds seven

// span is a part of a trajectory's rows.
type span struct{ trajectory, first, last int }

func format(at datasets.Observations, p Prediction, spans []span) []byte {
	count := 0
	for _, s := range spans {
		count += s.last - s.first
	}
	text := make([]byte, 0, count*len(header(at, p))*2) // a number takes about twice the room of a name
	var name bytes.Buffer
	names := csv.NewWriter(&name)
	time, others := columns(at, p)[0], columns(at, p)[1:]
	for _, s := range spans {
		t, observed := p.Trajectories[s.trajectory], at.Trajectories[s.trajectory]
		name.Reset()
		_ = names.Write([]string{label(observed, s.trajectory)}) // a buffer takes everything
		names.Flush()
		name.Truncate(name.Len() - 1) // the end of the line
		for k := s.first; k < s.last; k++ {
			text = append(append(text, name.Bytes()...), ',')
			text = strconv.AppendFloat(text, time.number(observed, t, k), 'g', -1, 64)
			for _, c := range others {
				text = strconv.AppendFloat(append(text, ','), c.number(observed, t, k), 'g', digits, 64)
			}
			text = append(text, '\n')
		}
	}
	return text
}
