package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// leases is where nodes say that they live.
	leases = "kube-node-lease"
	// leaseSeconds is for how long one renewal counts.
	leaseSeconds = 40
)

// nodesCommand plays nodes without machines: they are Ready, and what the scheduler gives them runs at once.
//
// All there is of a pod is its status. That is enough for everything that looks at a cluster through its API: real
// controllers make real EndpointSlices of it, as fast as the API server goes.
func nodesCommand() *cobra.Command {
	var kubeconfig string
	var count int
	command := &cobra.Command{
		Use:          "nodes",
		Short:        "Plays nodes whose pods are Running and Ready at once",
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			if count < 1 || count > 250 {
				return fmt.Errorf("--count %d: 1 to 250 nodes, each has a /24 of 10.244.0.0/16", count)
			}
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			config.QPS, config.Burst = 1000, 1000
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			ctx := server.SetupSignalContext()
			for number := 1; number <= count; number++ {
				if err := join(ctx, client, number); err != nil {
					return fmt.Errorf("node %s cannot join: %w", nodeName(number), err)
				}
			}
			go renew(ctx, client, count)
			return newPods(client, count).play(ctx)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	command.Flags().IntVar(&count, "count", 3, "how many nodes")
	return command
}

func nodeName(number int) string { return fmt.Sprintf("node-%d", number) }

// nodeAddress is where real nodes of the test bed have theirs, so that both levels look alike.
func nodeAddress(number int) string { return fmt.Sprintf("172.30.0.%d", 10+number) }

// podAddress is the last-th address of a node's range.
func podAddress(node, last int) string { return fmt.Sprintf("10.244.%d.%d", node, last) }

// join makes the node known, or goes on with it where a process before this one has.
func join(ctx context.Context, client kubernetes.Interface, number int) error {
	name, network := nodeName(number), fmt.Sprintf("10.244.%d.0/24", number)
	node := &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{
			core.LabelHostname:   name,
			core.LabelOSStable:   "linux",
			core.LabelArchStable: "amd64",
		}},
		Spec: core.NodeSpec{PodCIDR: network, PodCIDRs: []string{network}},
	}
	node, err := client.CoreV1().Nodes().Create(ctx, node, meta.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		node, err = client.CoreV1().Nodes().Get(ctx, name, meta.GetOptions{})
	}
	if err != nil {
		return err
	}
	if err := renewOne(ctx, client, name); err != nil {
		return err
	}
	room := core.ResourceList{
		core.ResourceCPU:    resource.MustParse("64"),
		core.ResourceMemory: resource.MustParse("256Gi"),
		core.ResourcePods:   resource.MustParse("250"),
	}
	now := meta.Now()
	node.Status = core.NodeStatus{
		Capacity:    room,
		Allocatable: room,
		Addresses: []core.NodeAddress{
			{Type: core.NodeInternalIP, Address: nodeAddress(number)},
			{Type: core.NodeHostName, Address: name},
		},
		Conditions: []core.NodeCondition{{
			Type: core.NodeReady, Status: core.ConditionTrue, Reason: "Played",
			LastHeartbeatTime: now, LastTransitionTime: now,
		}},
		NodeInfo: core.NodeSystemInfo{OperatingSystem: "linux", Architecture: "amd64", KubeletVersion: "played"},
	}
	// Whatever else has been said of it since: the controllers are quick with taints.
	node.ResourceVersion = ""
	_, err = client.CoreV1().Nodes().UpdateStatus(ctx, node, meta.UpdateOptions{})
	return err
}

// renew keeps all nodes alive until ctx ends.
func renew(ctx context.Context, client kubernetes.Interface, count int) {
	turn := time.NewTicker(leaseSeconds * time.Second / 4)
	defer turn.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		}
		for number := 1; number <= count; number++ {
			if err := renewOne(ctx, client, nodeName(number)); err != nil && ctx.Err() == nil {
				// The API server may be away on purpose; the next turn comes soon enough.
				fmt.Fprintf(os.Stderr, "lease of %s: %v\n", nodeName(number), err)
			}
		}
	}
}

func renewOne(ctx context.Context, client kubernetes.Interface, name string) error {
	all := client.CoordinationV1().Leases(leases)
	now, length := meta.NowMicro(), int32(leaseSeconds)
	spec := coordination.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &length, RenewTime: &now}
	lease, err := all.Get(ctx, name, meta.GetOptions{})
	if errors.IsNotFound(err) {
		lease = &coordination.Lease{ObjectMeta: meta.ObjectMeta{Name: name, Namespace: leases}, Spec: spec}
		_, err = all.Create(ctx, lease, meta.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	lease.Spec = spec
	_, err = all.Update(ctx, lease, meta.UpdateOptions{})
	return err
}
