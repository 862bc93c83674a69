# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced behind common.sh by what needs a Ceph: one monitor, one OSD in memory. Nobody's data is in it.
export CEPH_CONF=$folder/ceph.conf

ceph_missing() { programs_missing ceph ceph-mon ceph-osd monmaptool "$@"; }

# One copy of everything and no balancing: there is one OSD. It does not look for its place in the CRUSH map by itself,
# which needs the machine's name: start_ceph says where it is. What the monitor decides need not wait for more of it.
write_ceph_conf() {
	local port=$1 fsid=$2
	cat >"$CEPH_CONF" <<-CONF
		[global]
		fsid = $fsid
		mon_host = [v1:127.0.0.1:$port]
		mon_initial_members = a
		ms_bind_msgr2 = false
		public_addr = 127.0.0.1
		cluster_addr = 127.0.0.1
		auth_cluster_required = none
		auth_service_required = none
		auth_client_required = none
		osd_pool_default_size = 1
		osd_pool_default_min_size = 1
		osd_pool_default_pg_num = 8
		osd_pool_default_pg_autoscale_mode = off
		mon_allow_pool_size_one = true
		mon_data_avail_crit = 0
		paxos_propose_interval = 0.05
		osd_objectstore = memstore
		memstore_device_bytes = 1073741824
		osd_class_update_on_start = false
		osd_crush_update_on_start = false
		osd_crush_chooseleaf_type = 0
		osd_data = $folder/osd
		mon_data = $folder/mon
		run_dir = $folder/run
		admin_socket =
		log_file = $folder/\$name.log
		pid_file = $folder/run/\$name.pid
	CONF
}

# A client's command is refused at times (EPERM, "problem getting command descriptions") where it is sent before the
# monitor's first answer to that client has come, or before the monitor has elected itself: each is tried again. To do
# any of them twice does no harm.
start_ceph() {
	local port fsid osd
	mkdir -p "$folder/mon" "$folder/osd"
	port=$(free_port)
	fsid=$(cat /proc/sys/kernel/random/uuid)
	osd=$(cat /proc/sys/kernel/random/uuid)
	write_ceph_conf "$port" "$fsid"
	run monmaptool --create --clobber --fsid "$fsid" --addv a "[v1:127.0.0.1:$port]" "$folder/monmap"
	run ceph-mon --mkfs -i a --monmap "$folder/monmap"
	run ceph-mon -i a
	wait_for ceph osd new "$osd"
	run ceph-osd -i 0 --mkfs --osd-uuid "$osd"
	wait_for ceph osd crush add-bucket h host
	wait_for ceph osd crush move h root=default
	wait_for ceph osd crush add osd.0 1.0 host=h
	run ceph-osd -i 0
}

stop_ceph() { end osd.0 mon.a; }
