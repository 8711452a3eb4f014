insert into loss_hourly as l (exporter_id, hour,
    datagrams, datagrams_lost, datagrams_duplicate, datagrams_rejected, restarts, samples, samples_evidence, samples_lost,
    samples_dropped, samples_quarantined, samples_without_ip, samples_rejected, samples_unattributed, bytes_unattributed_l2, counter_samples, discard_samples, samples_unknown, kernel_drops, spool_drops)
select * from unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[]) order by 1, 2
on conflict (exporter_id, hour) do update set
    datagrams = l.datagrams + excluded.datagrams,
    datagrams_lost = l.datagrams_lost + excluded.datagrams_lost,
    datagrams_duplicate = l.datagrams_duplicate + excluded.datagrams_duplicate,
    datagrams_rejected = l.datagrams_rejected + excluded.datagrams_rejected,
    restarts = l.restarts + excluded.restarts,
    samples = l.samples + excluded.samples,
    samples_evidence = l.samples_evidence + excluded.samples_evidence,
    samples_lost = l.samples_lost + excluded.samples_lost,
    samples_dropped = l.samples_dropped + excluded.samples_dropped,
    samples_quarantined = l.samples_quarantined + excluded.samples_quarantined,
    samples_without_ip = l.samples_without_ip + excluded.samples_without_ip,
    samples_rejected = l.samples_rejected + excluded.samples_rejected,
    samples_unattributed = l.samples_unattributed + excluded.samples_unattributed,
    bytes_unattributed_l2 = l.bytes_unattributed_l2 + excluded.bytes_unattributed_l2,
    counter_samples = l.counter_samples + excluded.counter_samples,
    discard_samples = l.discard_samples + excluded.discard_samples,
    samples_unknown = l.samples_unknown + excluded.samples_unknown,
    kernel_drops = l.kernel_drops + excluded.kernel_drops,
    spool_drops = l.spool_drops + excluded.spool_drops
