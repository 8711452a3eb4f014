select exporter_id, hour, datagrams, datagrams_lost, datagrams_duplicate, datagrams_rejected, restarts,
       samples, samples_evidence, samples_lost, samples_dropped, samples_quarantined, samples_without_ip, samples_rejected,
       samples_unattributed, bytes_unattributed_l2, counter_samples, discard_samples, samples_unknown, kernel_drops, spool_drops
from loss_hourly
where exporter_id = any($1::uuid[]) and hour between $2 and $3
order by exporter_id, hour
