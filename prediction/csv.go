package prediction

import (
	"bytes"
	"encoding/csv"
	"io"
	"runtime"
	"strconv"

	"hnn/datasets"
	"hnn/internal/files"
)

// Write writes a CSV file and replaces an older one atomically. Its columns are those of WriteCSV.
func Write(path string, at datasets.Observations, p Prediction) error {
	return files.Replace(path, func(w io.Writer) error { return WriteCSV(w, at, p) })
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

func header(at datasets.Observations, p Prediction) string {
	text := "trajectory,t"
	components := func(prefix string) {
		for _, letter := range []string{"q", "p"} {
			for i := range at.Positions {
				text += "," + prefix + letter + strconv.Itoa(i+1)
			}
		}
	}
	components("")
	if p.Energy {
		text += ",H"
	}
	if p.Friction {
		text += ",dissipated"
	}
	if p.Driven {
		text += ",supplied"
	}
	if p.Trajectories[0].Deviations != nil {
		components("sd_")
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
	number := func(v float64) { text = strconv.AppendFloat(append(text, ','), v, 'g', digits, 64) }
	for _, s := range spans {
		t, observed := p.Trajectories[s.trajectory], at.Trajectories[s.trajectory]
		name.Reset()
		_ = names.Write([]string{label(observed, s.trajectory)}) // a buffer takes everything
		names.Flush()
		name.Truncate(name.Len() - 1) // the end of the line
		for k := s.first; k < s.last; k++ {
			text = append(append(text, name.Bytes()...), ',')
			text = strconv.AppendFloat(text, observed.Times[k], 'g', -1, 64)
			for _, v := range t.States[k] {
				number(v)
			}
			if p.Energy {
				number(t.H[k])
			}
			if p.Friction {
				number(t.Dissipated[k])
			}
			if p.Driven {
				number(t.Supplied[k])
			}
			if t.Deviations != nil {
				for _, v := range t.Deviations[k] {
					number(v)
				}
			}
			text = append(text, '\n')
		}
	}
	return text
}
