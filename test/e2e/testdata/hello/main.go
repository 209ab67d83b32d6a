// Command hello is the entrypoint of the images that the tests distribute.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("hello", os.Args[1:])
}
