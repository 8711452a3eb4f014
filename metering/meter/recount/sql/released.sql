-- What of hours from $1 to $2 (exclusive) an operator has released from quarantine, by exporter and hour: quarantined samples
-- that the books know, and released ones.
select d.exporter_id, d.hour, sum(d.samples)::bigint
from quarantine_decision d
where d.decision = 'released' and d.hour >= $1 and d.hour < $2
group by 1, 2
