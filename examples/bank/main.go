// Bank moves money between accounts in transactions, against a NATS server in this process, and
// prints what it does.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kvgen/kvgen/examples/bank/ledger"
	kvrt "github.com/kvgen/kvgen/runtime"
)

// errFunds: the account that pays has too little.
var errFunds = errors.New("insufficient funds")

// transfer moves an amount between two accounts, once for each id: a caller that does not know
// whether it got through calls again. All of it happens, or nothing.
func transfer(ctx context.Context, bank *ledger.BankBucket, id, from, to string, amount int64) error {
	payer, payee := ledger.AccountKey{Number: from}, ledger.AccountKey{Number: to}
	_, err := bank.Txn(ctx, func(tx *ledger.BankTxn) error {
		// This runs again when somebody else changes one of the accounts before the end, so it
		// has no effect but through tx.
		err := tx.Transfer.Create(ledger.TransferKey{ID: id}, ledger.Transfer{From: from, To: to, Amount: amount, At: time.Now()})
		if errors.Is(err, kvrt.ErrExists) {
			return nil // it has been made before
		}
		if err != nil {
			return err
		}
		accounts, err := tx.Account.GetMany([]ledger.AccountKey{payer, payee})
		if err != nil {
			return err
		}
		for _, key := range []ledger.AccountKey{payer, payee} {
			if _, ok := accounts[key]; !ok {
				return fmt.Errorf("account %s: %w", key.Number, kvrt.ErrNotFound)
			}
		}
		source, target := accounts[payer].Value, accounts[payee].Value
		if source.Balance < amount {
			return fmt.Errorf("account %s has %d: %w", from, source.Balance, errFunds)
		}
		source.Balance -= amount
		target.Balance += amount
		if err := tx.Account.Put(payer, source); err != nil {
			return err
		}
		return tx.Account.Put(payee, target)
	})
	return err
}

// total adds up the accounts as they were at one moment.
func total(ctx context.Context, bank *ledger.BankBucket, numbers []string) (sum int64, err error) {
	keys := make([]ledger.AccountKey, len(numbers))
	for i, number := range numbers {
		keys[i].Number = number
	}
	_, err = bank.Txn(ctx, func(tx *ledger.BankTxn) error {
		accounts, err := tx.Account.GetMany(keys)
		sum = 0
		for _, account := range accounts {
			sum += account.Value.Balance
		}
		return err
	})
	return sum, err
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 45*time.Second)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	js, stop, err := startServer()
	if err != nil {
		return err
	}
	defer stop()
	bank, err := ledger.EnsureBank(ctx, js)
	if err != nil {
		return err
	}

	owners := []string{"ann", "bob", "cid", "dee", "eve", "fay", "gus", "hal"}
	fmt.Printf("1. One transaction opens %d accounts of 100.00 each.\n", len(owners))
	if _, err := bank.Txn(ctx, func(tx *ledger.BankTxn) error {
		for _, owner := range owners {
			if err := tx.Account.Create(ledger.AccountKey{Number: owner}, ledger.Account{Owner: owner, Balance: 100_00}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}

	for _, step := range []func(context.Context, *ledger.BankBucket, []string) error{pay, overdraw, busyDay} {
		if err := step(ctx, bank, owners); err != nil {
			return err
		}
	}
	return nil
}

func pay(ctx context.Context, bank *ledger.BankBucket, _ []string) error {
	fmt.Println("2. A transfer changes both accounts, and leaves a record. Made again under its id, it changes nothing.")
	for range 2 {
		if err := transfer(ctx, bank, "rent-may", "ann", "bob", 30_00); err != nil {
			return err
		}
		for _, number := range []string{"ann", "bob"} {
			account, err := bank.Account.Get(ctx, ledger.AccountKey{Number: number})
			if err != nil {
				return err
			}
			fmt.Printf("   %s: %s", number, cents(account.Value.Balance))
		}
		fmt.Println()
	}
	return nil
}

func overdraw(ctx context.Context, bank *ledger.BankBucket, _ []string) error {
	fmt.Println("3. An error of the function comes back as it is, and nothing is written.")
	err := transfer(ctx, bank, "yacht", "ann", "bob", 9_999_00)
	fmt.Println("  ", err)
	if !errors.Is(err, errFunds) {
		return fmt.Errorf("want %w, got %w", errFunds, err)
	}
	_, err = bank.Transfer.Get(ctx, ledger.TransferKey{ID: "yacht"})
	fmt.Println("  ", err)
	if !errors.Is(err, kvrt.ErrNotFound) {
		return fmt.Errorf("want ErrNotFound, got %w", err)
	}
	return nil
}

func busyDay(ctx context.Context, bank *ledger.BankBucket, owners []string) error {
	const tellers, transfers = 4, 10
	fmt.Printf("4. %d tellers make %d transfers each, while an auditor adds up the accounts.\n", tellers, transfers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var working sync.WaitGroup
	errs := make([]error, tellers)
	for teller := range tellers {
		working.Go(func() {
			for n := range transfers {
				from := rand.IntN(len(owners))
				to := (from + 1 + rand.IntN(len(owners)-1)) % len(owners)
				id := fmt.Sprintf("teller-%d-%d", teller, n)
				err := transfer(ctx, bank, id, owners[from], owners[to], 1+rand.Int64N(20_00))
				if err != nil && !errors.Is(err, errFunds) {
					errs[teller] = err
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { working.Wait(); close(done) }()
	audits := 0
	for open := true; open; audits++ {
		select {
		case <-done:
			open = false
		default:
		}
		sum, err := total(ctx, bank, owners)
		if err == nil && sum != int64(len(owners))*100_00 {
			err = fmt.Errorf("the accounts hold %s, money was lost or made", cents(sum))
		}
		if err != nil {
			cancel()
			<-done
			return err
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	made, err := bank.Transfer.Count(ctx, ledger.TransferFilter{})
	if err != nil {
		return err
	}
	if audits < 2 || made < 2 {
		return fmt.Errorf("%d audits of %d transfers prove nothing", audits, made)
	}
	fmt.Printf("   every audit found %s\n", cents(int64(len(owners))*100_00))
	return nil
}

func cents(amount int64) string { return fmt.Sprintf("%d.%02d", amount/100, amount%100) }

// startServer runs a NATS server in this process, on a free port and in a temporary folder.
func startServer() (jetstream.JetStream, func(), error) {
	dir, err := os.MkdirTemp("", "bank")
	if err != nil {
		return nil, nil, err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		return nil, nil, err
	}
	s.Start()
	stop := func() {
		s.Shutdown()
		s.WaitForShutdown()
		_ = os.RemoveAll(dir)
	}
	if !s.ReadyForConnections(10 * time.Second) {
		stop()
		return nil, nil, errors.New("the embedded server did not start within 10 seconds")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		stop()
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	return js, func() { nc.Close(); stop() }, err
}
