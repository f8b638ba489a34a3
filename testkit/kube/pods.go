package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

const (
	// readyAnnotation "false" makes a pod Running and not Ready.
	readyAnnotation = "testbed/ready"
	// lingerAnnotation "true" lets a deleted pod go on terminating until the annotation is gone.
	lingerAnnotation = "testbed/linger"
	// workers is how many pods are worked on at a time.
	workers = 16
)

// pods plays what kubelets do: bound pods get an address and become Running, deleted ones go away.
type pods struct {
	client kubernetes.Interface
	nodes  map[string]int
	queue  workqueue.TypedRateLimitingInterface[string]
	store  cache.Store

	lock sync.Mutex
	// used is who has an address: a pod's uid for each, by node and last part. A free one is given again at once, and the
	// lowest first, because re-used addresses are what tests are after.
	used map[int]map[int]types.UID
	// given is the same the other way around.
	given map[types.UID]place
}

type place struct{ node, last int }

func newPods(client kubernetes.Interface, count int) *pods {
	p := &pods{
		client: client,
		nodes:  map[string]int{},
		queue:  workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](5*time.Millisecond, time.Second)),
		used:   map[int]map[int]types.UID{},
		given:  map[types.UID]place{},
	}
	for number := 1; number <= count; number++ {
		p.nodes[nodeName(number)] = number
		p.used[number] = map[int]types.UID{}
	}
	return p
}

// play works until ctx ends.
func (p *pods) play(ctx context.Context) error {
	factory := informers.NewSharedInformerFactory(p.client, 0)
	informer := factory.Core().V1().Pods().Informer()
	p.store = informer.GetStore()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    p.note,
		UpdateFunc: func(_, now any) { p.note(now) },
		DeleteFunc: p.gone,
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return ctx.Err()
	}
	p.adopt()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for p.work(ctx) {
			}
		})
	}
	fmt.Println("nodes are ready")
	<-ctx.Done()
	p.queue.ShutDown()
	all.Wait()
	return nil
}

func (p *pods) note(object any) {
	if pod, is := object.(*core.Pod); is {
		if _, ours := p.nodes[pod.Spec.NodeName]; ours {
			p.queue.Add(pod.Namespace + "/" + pod.Name)
		}
	}
}

func (p *pods) gone(object any) {
	if last, is := object.(cache.DeletedFinalStateUnknown); is {
		object = last.Obj
	}
	if pod, is := object.(*core.Pod); is {
		p.release(pod.UID)
	}
}

// adopt takes over the addresses a process before this one has given.
func (p *pods) adopt() {
	for _, object := range p.store.List() {
		pod := object.(*core.Pod)
		var at place
		if n, err := fmt.Sscanf(pod.Status.PodIP, "10.244.%d.%d", &at.node, &at.last); n != 2 || err != nil {
			continue
		}
		if used, ours := p.used[at.node]; ours {
			p.lock.Lock()
			used[at.last], p.given[pod.UID] = pod.UID, at
			p.lock.Unlock()
		}
	}
}

// work does one pod; false when there is no more to do.
func (p *pods) work(ctx context.Context) bool {
	key, end := p.queue.Get()
	if end {
		return false
	}
	defer p.queue.Done(key)
	object, exists, _ := p.store.GetByKey(key)
	if !exists {
		return true
	}
	if err := p.settle(ctx, object.(*core.Pod)); err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", key, err)
		p.queue.AddRateLimited(key)
		return true
	}
	p.queue.Forget(key)
	return true
}

// settle makes a pod what it should be.
func (p *pods) settle(ctx context.Context, pod *core.Pod) error {
	if pod.DeletionTimestamp != nil && pod.Annotations[lingerAnnotation] != "true" {
		now := int64(0)
		err := p.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, meta.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: &meta.Preconditions{UID: &pod.UID},
		})
		if errors.IsNotFound(err) || errors.IsConflict(err) {
			err = nil
		}
		return err
	}
	if pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed {
		return nil
	}
	ready := pod.Annotations[readyAnnotation] != "false"
	if pod.Status.Phase == core.PodRunning && isReady(pod) == ready {
		return nil
	}
	address, err := p.address(pod)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{
		// A pod of the same name that came since is none of this one's business.
		"metadata": map[string]any{"uid": pod.UID},
		"status":   p.status(pod, address, ready),
	})
	runtime.Must(err)
	_, err = p.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, meta.PatchOptions{}, "status")
	if errors.IsNotFound(err) || errors.IsConflict(err) {
		// It is gone, or another one: the informer will say.
		p.release(pod.UID)
		err = nil
	}
	return err
}

func isReady(pod *core.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == core.PodReady {
			return condition.Status == core.ConditionTrue
		}
	}
	return false
}

// status of a pod that runs at an address.
func (p *pods) status(pod *core.Pod, address string, ready bool) core.PodStatus {
	now := meta.Now()
	state := core.ConditionFalse
	if ready {
		state = core.ConditionTrue
	}
	status := core.PodStatus{
		Phase:     core.PodRunning,
		StartTime: &now,
		HostIP:    nodeAddress(p.nodes[pod.Spec.NodeName]),
		PodIP:     address,
		PodIPs:    []core.PodIP{{IP: address}},
		Conditions: []core.PodCondition{
			{Type: core.PodInitialized, Status: core.ConditionTrue, LastTransitionTime: now},
			{Type: core.ContainersReady, Status: state, LastTransitionTime: now},
			{Type: core.PodReady, Status: state, LastTransitionTime: now},
		},
	}
	status.HostIPs = []core.HostIP{{IP: status.HostIP}}
	yes := true
	for _, container := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, core.ContainerStatus{
			Name: container.Name, Image: container.Image, Ready: ready, Started: &yes,
			State: core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: now}},
		})
	}
	return status
}

// address of a pod: the one it has, its node's, or the lowest that is free.
func (p *pods) address(pod *core.Pod) (string, error) {
	node := p.nodes[pod.Spec.NodeName]
	if pod.Spec.HostNetwork {
		return nodeAddress(node), nil
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	if at, has := p.given[pod.UID]; has {
		return podAddress(at.node, at.last), nil
	}
	// .1 is the node's own.
	for last := 2; last < 255; last++ {
		if _, taken := p.used[node][last]; !taken {
			p.used[node][last], p.given[pod.UID] = pod.UID, place{node, last}
			return podAddress(node, last), nil
		}
	}
	return "", fmt.Errorf("%s has no address left", pod.Spec.NodeName)
}

func (p *pods) release(uid types.UID) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if at, has := p.given[uid]; has {
		delete(p.given, uid)
		delete(p.used[at.node], at.last)
	}
}
