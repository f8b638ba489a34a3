// Every part of Kubernetes the test bed needs, as one program: the first argument says which part it is this time.
//
// One program and not eight, because they share nearly all of their code: it is linked once, and one file is cached. Each
// part is a process of its own all the same, so a test can kill any of them alone. With --leash before its name it ends
// when its standard input does.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/coredns/coredns/coremain"
	// What a cluster's resolver needs, and not the plugins for the clouds.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// parts are what the first argument may be.
var parts = map[string]func(){
	"etcd":                    func() { etcdmain.Main(os.Args) },
	"kube-apiserver":          func() { run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() { run(controllers.NewControllerManagerCommand()) },
	"kube-scheduler":          func() { run(scheduler.NewSchedulerCommand()) },
	"kubelet":                 func() { run(kubelet.NewKubeletCommand(context.Background())) },
	"kube-proxy":              func() { run(proxy.NewProxyCommand()) },
	"kubectl":                 func() { run(kubectl.NewDefaultKubectlCommand()) },
	"coredns":                 coremain.Run,
	"nodes":                   func() { run(nodesCommand()) },
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--leash" {
		leash()
		os.Args = append(os.Args[:1], os.Args[2:]...)
	}
	part := func() {}
	known := false
	if len(os.Args) > 1 {
		part, known = parts[os.Args[1]]
	}
	if !known {
		names := make([]string, 0, len(parts))
		for name := range parts {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "say which part of Kubernetes this is to be: %s\n", strings.Join(names, ", "))
		os.Exit(2)
	}
	// From here on the part sees itself as the program.
	os.Args = os.Args[1:]
	part()
}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}
