#!/usr/bin/env bash
# A throw-away SLURM cluster on this machine, for tests: local_slurm.sh check | start | stop | status
#
# Three slurmd on one host, no systemd, no cgroups, no accounting. node1 and node2 are partition `gpu` with two GPUs
# each (clones of /dev/null), node3 is partition `cpu`. What nodes claim to have is bookkeeping: SLURM places jobs by
# it and sets CUDA_VISIBLE_DEVICES, but nothing confines a job. Needs root on Debian or Ubuntu (packages are installed).
# Everything lies in $SLURM_TEST_DIR; `stop` ends the daemons by the ids that they noted there.
set -euo pipefail
DIR=${SLURM_TEST_DIR:-/var/tmp/brodmann-test-slurm}
PORT=${SLURM_TEST_PORT:-6817}
PACKAGES="slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge"
NODES="node1 node2 node3"
export PATH=$PATH:/usr/sbin:/sbin
unset SLURM_CONF

# Whether every one of these commands is there.
have() { for name in "$@"; do command -v "$name" >/dev/null || return 1; done; }

fail() { echo "local_slurm: $*" >&2; exit 1; }

# Why a cluster cannot be brought up here; nothing if it can. Installs nothing.
obstacle() {
  if [ "$(id -u)" != 0 ]; then echo "not root"; return; fi
  if [ -e /etc/slurm/slurm.conf ] && [ "$(readlink /etc/slurm/slurm.conf)" != "$DIR/slurm.conf" ]; then
    echo "this machine has a SLURM configuration of its own"; return
  fi
  if ! have slurmctld slurmd munged && ! have apt-get; then
    echo "SLURM is not installed, and there is no apt-get"; return
  fi
  local probe; probe=$(mktemp -u)
  mknod "$probe" c 1 3 2>/dev/null || { echo "device nodes cannot be made (fake GPUs)"; return; }
  rm -f "$probe"
}

pid_of() { cat "$DIR/run/$1.pid" 2>/dev/null || true; }

# A process that has ended may stay as a zombie for a while.
running() {
  local pid; pid=$(pid_of "$1")
  [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "${1%%-*}" ] && ! grep -q '^State:.*Z' "/proc/$pid/status"
}

within() { # SECONDS COMMAND...
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 0.2; done
}

ready() { [ "$(sinfo -h -N -o %T 2>/dev/null | grep -cE '^(idle|mixed|allocated)$')" -ge 3 ]; }
no_jobs() { [ -z "$(squeue -h)" ]; }
ended() { ! running "$1"; }

install() {
  have slurmctld slurmd munged sbatch && return
  echo "installing $PACKAGES"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  { apt-get install -y --no-install-recommends $PACKAGES || { apt-get update && apt-get install -y --no-install-recommends $PACKAGES; }; } \
    >"$DIR/apt.log" 2>&1 || fail "the packages cannot be installed, see $DIR/apt.log"
}

configure() {
  local host; host=$(hostname -s)
  getent hosts "$host" >/dev/null || fail "this machine's name does not resolve: echo '127.0.0.1 $host' >>/etc/hosts"
  for i in 0 1; do [ -c "$DIR/gpu$i" ] || mknod "$DIR/gpu$i" c 1 3; done
  cat >"$DIR/gres.conf" <<CONF
AutoDetect=off
NodeName=node[1-2] Name=gpu Type=fake File=$DIR/gpu[0-1]
CONF
  cat >"$DIR/slurm.conf" <<CONF
ClusterName=brodmann
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$DIR/run/munge.sock
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool/%n
SlurmctldPidFile=$DIR/run/slurmctld.pid
SlurmdPidFile=$DIR/run/slurmd-%n.pid
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd-%n.log
MailProg=/bin/true
MpiDefault=none
# Without cgroups: processes are found by parentage, and sampled once a second to end a job over its memory.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
KillWait=2
# Nodes have what their lines say. One that a test sets down stays down.
SlurmdParameters=config_overrides
ReturnToService=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
# Schedule at once; remember finished jobs for squeue and scontrol.
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=10000,bf_interval=1
MinJobAge=3600
EnforcePartLimits=ALL
AccountingStorageType=accounting_storage/none
NodeName=node[1-2] NodeAddr=127.0.0.1 NodeHostname=$host Port=$((PORT + 11))-$((PORT + 12)) CPUs=16 RealMemory=64000 Gres=gpu:fake:2
NodeName=node3 NodeAddr=127.0.0.1 NodeHostname=$host Port=$((PORT + 13)) CPUs=16 RealMemory=64000
PartitionName=gpu Nodes=node[1-2] MaxTime=INFINITE State=UP
PartitionName=cpu Nodes=node3 Default=YES MaxTime=INFINITE State=UP
CONF
  # Job steps look here only: the executor plugin takes SLURM_CONF out of their environment.
  mkdir -p /etc/slurm
  for file in slurm.conf gres.conf; do ln -sfn "$DIR/$file" "/etc/slurm/$file"; done
}

start() {
  local why; why=$(obstacle); [ -z "$why" ] || fail "$why"
  stop
  mkdir -p "$DIR"/{run,log,state}
  for node in $NODES; do mkdir -p "$DIR/spool/$node"; done
  chmod 755 "$DIR" "$DIR/run"
  install
  configure
  [ -s "$DIR/munge.key" ] || (umask 077 && head -c 1024 /dev/urandom >"$DIR/munge.key")
  munged --key-file="$DIR/munge.key" --socket="$DIR/run/munge.sock" --pid-file="$DIR/run/munged.pid" \
    --log-file="$DIR/log/munged.log" --seed-file="$DIR/run/munge.seed"
  within 10 munge -S "$DIR/run/munge.sock" -n || fail "munged did not start, see $DIR/log/munged.log"
  slurmctld
  within 20 scontrol ping || fail "slurmctld did not start, see $DIR/log/slurmctld.log"
  for node in $NODES; do slurmd -N "$node"; done
  within 30 ready || { sinfo -N -l; fail "nodes are not ready, see $DIR/log"; }
  sinfo
}

stop() {
  if running slurmctld; then
    squeue -h -o %A | sort -u | xargs -r scancel || true
    within 20 no_jobs || true
  fi
  for name in slurmd-node1 slurmd-node2 slurmd-node3 slurmctld munged; do
    if running "$name"; then
      kill "$(pid_of "$name")"
      within 20 ended "$name" || kill -9 "$(pid_of "$name")"
    fi
    rm -f "$DIR/run/$name.pid"
  done
  for file in slurm.conf gres.conf; do
    if [ "$(readlink "/etc/slurm/$file" 2>/dev/null)" = "$DIR/$file" ]; then rm "/etc/slurm/$file"; fi
  done
  # The next cluster starts from nothing: no job numbers, no node states.
  rm -rf "$DIR/state" "$DIR/spool"
}

status() {
  for name in munged slurmctld slurmd-node1 slurmd-node2 slurmd-node3; do
    if running "$name"; then echo "$name runs ($(pid_of "$name"))"; else echo "$name does not run"; fi
  done
  ready && sinfo -N -O nodelist:8,partition:8,statelong:12,gres:14,gresused:24 && squeue
}

check() { local why; why=$(obstacle); if [ -n "$why" ]; then echo "$why"; exit 1; fi; }

case "${1:-}" in check | start | stop | status) "$1" ;; *) fail "usage: $0 check|start|stop|status" ;; esac
