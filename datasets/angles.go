package datasets

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
)

// fullTurns holds a full turn by the unit of a column, in small letters.
var fullTurns = map[string]float64{
	"":    2 * math.Pi,
	"deg": 360, "degree": 360, "degrees": 360, "°": 360, "rad": 2 * math.Pi, "radian": 2 * math.Pi, "radians": 2 * math.Pi,
}

// findAngle decides whether a position is an angle and unwraps it. Named angles are. If no names are given, it is one if it jumps by nearly a
// full turn, keeps within one turn, and seldom makes steps that are neither short nor such jumps. findAngle returns whether the position has
// such jumps but is not to be an angle.
func (t *userTable) findAngle(o *Observations, names []string, i int) (refused bool, err error) {
	n, name := o.Positions, fmt.Sprint("q", i+1)
	for _, angle := range names {
		known := angle == "q" && n == 1 || slices.ContainsFunc(t.positions, func(place int) bool { return t.names[place] == angle })
		if !known && !(angle == "none" && len(names) == 1) {
			return false, fmt.Errorf("%s: -angles names %s; the positions are q1 to q%d, and none alone refuses angles", t.path, angle, n)
		}
	}
	unit, values := t.units[t.positions[i]], o.Component(i)
	turn, angular := fullTurns[strings.ToLower(unit)]
	least, most := floats.Min(values), floats.Max(values)
	degrees := unit == "" && seemDegrees(*o, i, most-least)
	if turn = cmp.Or(turn, 2*math.Pi); degrees {
		turn = 360
	}
	jumps, between, where := 0, 0, ""
	for j, s := range o.Trajectories {
		for k := 1; k < len(s.States); k++ {
			switch change := math.Abs(s.States[k][i]-s.States[k-1][i]) / turn; {
			case change > 1.005:
			case change >= 0.8:
				if jumps++; jumps == 1 {
					first, _ := t.rows(j)
					where = fmt.Sprintf("%s, column %d", t.Where(first+k), t.positions[i]+1)
				}
			case change > 0.3:
				between++
			}
		}
	}
	found := angular && jumps > between && most-least <= 1.005*turn
	switch {
	case slices.Contains(names, name) || slices.Contains(names, "q") && n == 1:
		if degrees {
			o.note("%s is taken as an angle in degrees, for it goes from %g to %g (the header %s [rad] says radians)", name, least, most, name)
		}
	case found && names == nil:
		o.note("%s jumps by nearly a full turn %d times: it is taken as an angle (-angles %s says so, -angles none refuses)", name, jumps, name)
	case found:
		o.note("%s jumps by nearly a full turn %d times, first in %s, but -angles does not name it", name, jumps, where)
		return true, nil
	default:
		return false, nil
	}
	o.Angles[i] = turn
	o.unwrap(i, turn)
	return false, nil
}

// seemDegrees tells degrees from unwrapped radians where the header gives no unit: values of more than two turns of 2π but not of 360, with a
// start beyond 2π or a step of more than π.
func seemDegrees(o Observations, i int, span float64) bool {
	return span > 4*math.Pi && span <= 1.005*360 && slices.ContainsFunc(o.Trajectories, func(s Observed) bool {
		values := column(s.States, i)
		for k := range len(values) - 1 {
			if math.Abs(values[k+1]-values[k]) > math.Pi {
				return true
			}
		}
		return math.Abs(values[0]) > 2*math.Pi
	})
}
