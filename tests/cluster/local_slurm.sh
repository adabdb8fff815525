#!/usr/bin/env bash
# A throw-away SLURM cluster on this machine, for tests: local_slurm.sh check | start | stop | status
#
# Three slurmd on one host, no systemd, no cgroups. node1 and node2 are partition `gpu` with two GPUs
# each (clones of /dev/null), node3 is partition `cpu`. What nodes claim to have is bookkeeping: SLURM places jobs by
# it and sets CUDA_VISIBLE_DEVICES, but nothing confines a job. Needs root on Debian or Ubuntu (packages are installed).
# Everything lies in $SLURM_TEST_DIR; `stop` ends the daemons by the ids that they noted there.
# With SLURM_TEST_ACCOUNTING=1 there is a data base (slurmdbd, MariaDB) with accounts and QOS, and SLURM insists on them.
set -euo pipefail
DIR=${SLURM_TEST_DIR:-/var/tmp/brodmann-test-slurm}
PORT=${SLURM_TEST_PORT:-6817}
ACCOUNTING=${SLURM_TEST_ACCOUNTING:-0}
PACKAGES="slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge"
PROGRAMS="slurmctld slurmd munged sbatch"
RULES=""
if [ "$ACCOUNTING" = 1 ]; then
  RULES="AllowAccounts=biology AllowQos=gpu" # of partition gpu
  PACKAGES+=" slurmdbd slurm-wlm-mysql-plugin mariadb-server"
  PROGRAMS+=" slurmdbd mariadbd"
fi
NODES="node1 node2 node3"
DAEMONS="slurmd-node1 slurmd-node2 slurmd-node3 slurmctld slurmdbd mariadbd munged"
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
  # shellcheck disable=SC2086
  if ! have $PROGRAMS && ! have apt-get; then
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
  # shellcheck disable=SC2086
  have $PROGRAMS && return
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
NodeName=node[1-2] NodeAddr=127.0.0.1 NodeHostname=$host Port=$((PORT + 11))-$((PORT + 12)) CPUs=16 RealMemory=64000 Gres=gpu:fake:2
NodeName=node3 NodeAddr=127.0.0.1 NodeHostname=$host Port=$((PORT + 13)) CPUs=16 RealMemory=64000
PartitionName=gpu Nodes=node[1-2] MaxTime=INFINITE State=UP $RULES
PartitionName=cpu Nodes=node3 Default=YES MaxTime=INFINITE State=UP
CONF
  if [ "$ACCOUNTING" = 1 ]; then
    cat >>"$DIR/slurm.conf" <<CONF
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((PORT + 1))
AccountingStoragePass=$DIR/run/munge.sock
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits,qos
CONF
    cat >"$DIR/slurmdbd.conf" <<CONF
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$((PORT + 1))
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$DIR/run/munge.sock
PidFile=$DIR/run/slurmdbd.pid
LogFile=$DIR/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((PORT + 2))
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
CONF
    chmod 600 "$DIR/slurmdbd.conf"
  else
    echo "AccountingStorageType=accounting_storage/none" >>"$DIR/slurm.conf"
  fi
  # Job steps look here only: the executor plugin takes SLURM_CONF out of their environment.
  mkdir -p /etc/slurm
  for file in slurm.conf gres.conf; do ln -sfn "$DIR/$file" "/etc/slurm/$file"; done
}

# MariaDB with data of its own, slurmdbd, and what this cluster knows of the user: two accounts, and QOS with limits.
database() {
  mkdir -p "$DIR/db" && chown mysql "$DIR/db"
  mariadb-install-db --no-defaults --user=mysql --datadir="$DIR/db" --skip-test-db >"$DIR/log/mariadb-install.log" 2>&1
  setsid mariadbd --no-defaults --user=mysql --datadir="$DIR/db" --socket="$DIR/db/mariadb.sock" --bind-address=127.0.0.1 \
    --port=$((PORT + 2)) --skip-name-resolve --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 \
    >"$DIR/log/mariadb.log" 2>&1 </dev/null &
  echo $! >"$DIR/run/mariadbd.pid"
  local sql="mariadb --no-defaults -u root -S $DIR/db/mariadb.sock"
  within 30 $sql -e 'select 1' || fail "MariaDB did not start, see $DIR/log/mariadb.log"
  $sql -e "CREATE DATABASE slurm; CREATE USER slurm@127.0.0.1 IDENTIFIED BY 'slurm'; GRANT ALL ON slurm.* TO slurm@127.0.0.1"
  SLURM_CONF=$DIR/slurm.conf slurmdbd
  within 30 sacctmgr -n list cluster || fail "slurmdbd did not start, see $DIR/log/slurmdbd.log"
  within 10 sacctmgr -i -Q add cluster brodmann || fail "sacctmgr does not add the cluster"
  local name
  for name in physics biology; do sacctmgr -i -Q add account "$name" cluster=brodmann; done
  sacctmgr -i -Q add qos gpu set MaxWall=8:00:00 MaxSubmitJobsPerUser=30
  for name in physics biology; do sacctmgr -i -Q add user root account="$name" cluster=brodmann; done
  sacctmgr -i -Q modify user root where account=biology set qos=normal,gpu
  sacctmgr -i -Q modify user root set defaultaccount=physics
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
  if [ "$ACCOUNTING" = 1 ]; then database; fi
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
  for name in $DAEMONS; do
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
  rm -rf "$DIR/state" "$DIR/spool" "$DIR/db" "$DIR/slurmdbd.conf"
}

status() {
  for name in $DAEMONS; do
    if running "$name"; then echo "$name runs ($(pid_of "$name"))"; else echo "$name does not run"; fi
  done
  ready && sinfo -N -O nodelist:8,partition:8,statelong:12,gres:14,gresused:24 && squeue
}

check() { local why; why=$(obstacle); if [ -n "$why" ]; then echo "$why"; exit 1; fi; }

case "${1:-}" in check | start | stop | status) "$1" ;; *) fail "usage: $0 check|start|stop|status" ;; esac
