{{/* What the templates have in common: labels, the account's name, and what a preset stands for. */}}

{{- define "wayleave.labels" -}}
app: {{ .Values.name }}
app.kubernetes.io/name: wayleave
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "wayleave.account" -}}
{{ default .Values.name .Values.serviceAccount.name }}
{{- end }}

{{/* Names of objects that belong to no namespace tell the release's. */}}
{{- define "wayleave.clusterName" -}}
wayleave-{{ .Release.Namespace }}-{{ .Values.name }}
{{- end }}

{{/* The ports of the configuration, as YAML of `ports` in values.yaml. */}}
{{- define "wayleave.ports" -}}
{{- $presets := dict
  "daemonset" (list (dict "name" "outgoing" "port" 4140 "hostPort" 4140 "servicePort" 4140) (dict "name" "incoming" "port" 4141 "servicePort" 4141))
  "cni" (list (dict "name" "outgoing" "port" 4140 "hostPort" 4140 "servicePort" 4140) (dict "name" "incoming" "port" 4141 "hostPort" 4141 "servicePort" 4141))
  "ingress" (list (dict "name" "outgoing" "port" 4140 "hostPort" 4140) (dict "name" "incoming" "port" 4141 "servicePort" 4141) (dict "name" "ingress" "port" 4142 "servicePort" 80))
  "ingress-controller" (list (dict "name" "http" "port" 80 "servicePort" 80))
  "egress" (list (dict "name" "outgoing" "port" 4140 "hostPort" 4140 "servicePort" 4140) (dict "name" "incoming" "port" 4141 "servicePort" 4141)) -}}
{{- toYaml (default (get $presets .Values.preset) .Values.ports) }}
{{- end }}

{{- define "wayleave.hostNetwork" -}}
{{- if kindIs "invalid" .Values.hostNetwork }}{{ eq .Values.preset "cni" }}{{ else }}{{ .Values.hostNetwork }}{{ end }}
{{- end }}

{{- define "wayleave.ingress" -}}
{{- if kindIs "invalid" .Values.ingress.enabled }}{{ eq .Values.preset "ingress-controller" }}{{ else }}{{ .Values.ingress.enabled }}{{ end }}
{{- end }}

{{/* Whether Services of every namespace may be read: rules of an ingress name them in any. */}}
{{- define "wayleave.everywhere" -}}
{{ or .Values.discovery.allNamespaces (eq (include "wayleave.ingress" .) "true") }}
{{- end }}

{{- define "wayleave.config" -}}
{{- if .Values.config }}
{{- if not .Values.ports }}{{ fail "`config` needs `ports`: where it listens" }}{{ end }}
{{- .Values.config }}
{{- else }}
{{- $anywhere := eq .Values.preset "ingress-controller" }}
{{- if not (or $anywhere (eq .Release.Namespace "default")) }}
{{- fail (printf "the preset %s names Services of the namespace `default`: install it with `--namespace default`, or give a `config` of your own" .Values.preset) }}
{{- end }}
{{- if not (or $anywhere (eq .Values.name "l5d")) }}
{{- fail (printf "the preset %s looks for a Service `l5d`: leave `name` as it is, or give a `config` of your own" .Values.preset) }}
{{- end }}
{{- include "wayleave.fits" . }}
{{- .Files.Get (printf "files/%s.yaml" .Values.preset) }}
{{- end }}
{{- end }}

{{/* Refuses values that the configuration of the preset has decided already. */}}
{{- define "wayleave.fits" -}}
{{- if ne (int .Values.adminPort) 9990 }}
{{- fail (printf "`adminPort` is where the preset %s listens: 9990, unless you give a `config` of your own" .Values.preset) }}
{{- end }}
{{- $shared := eq (include "wayleave.hostNetwork" .) "true" }}
{{- if and $shared (has .Values.preset (list "daemonset" "ingress" "egress")) }}
{{- fail (printf "the transformers of the preset %s go by the addresses of pods: the preset cni is the one for the network of the nodes" .Values.preset) }}
{{- end }}
{{- if and (eq .Values.preset "cni") (not $shared) }}
{{- fail "the preset cni needs the network of the nodes: leave `hostNetwork` as it is, or take the preset daemonset" }}
{{- end }}
{{- end }}

{{/* Refuses ports the proxy could not listen on. */}}
{{- define "wayleave.portsFit" -}}
{{- $shared := eq (include "wayleave.hostNetwork" .) "true" }}
{{- range include "wayleave.ports" . | fromYamlArray }}
{{- if eq .name "admin" }}{{ fail "`admin` is the name of the admin port: call the others in `ports` something else" }}{{ end }}
{{- if and $shared (lt (int .port) 1024) }}
{{- fail (printf "`%s`: port %d on the network of a node is for root alone: take one from 1024 on, or the network of the pods" .name (int .port)) }}
{{- end }}
{{- end }}
{{- end }}
