// Prints a crontab line, from a ranking.json alone: curl -fsS URL | go run best_time.go
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
)

func main() {
	var ranking struct {
		SchemaVersion float64 `json:",string"`
		SlotMinutes   int
		Slots         []struct{ Weight float64 }
	}
	err := json.NewDecoder(os.Stdin).Decode(&ranking)
	if err != nil || int(ranking.SchemaVersion) != 1 || len(ranking.Slots) == 0 {
		log.Fatal("what came in is no ranking of version 1")
	}
	// A slot of the day is drawn by its weight (all add up to 1), then a second in it at random.
	slot := 0
	for rest := rand.Float64() - ranking.Slots[0].Weight; rest >= 0 && slot+1 < len(ranking.Slots); slot++ {
		rest -= ranking.Slots[slot+1].Weight
	}
	at := slot*ranking.SlotMinutes*60 + rand.IntN(ranking.SlotMinutes*60)
	fmt.Printf("%d %d * * * sleep %d; certbot renew --quiet --no-random-sleep-on-renew\n", at/60%60, at/3600, at%60)
}
