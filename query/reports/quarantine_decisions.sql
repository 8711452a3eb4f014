select d.id::text as sort_key, d.id, d.decided_at, d.decision, d.exporter_id, e.name as exporter, d.hour, d.service_id, s.name as service,
       d.direction, d.rate, d.rate_given, d.samples, d.frame_length, d.ip_length, d.reason
from quarantine_decision d
join exporter e on e.id = d.exporter_id
join service s on s.id = d.service_id
where d.decided_at >= @from::timestamptz and d.decided_at < @to::timestamptz
  and (@exporter::uuid is null or d.exporter_id = @exporter)
  and (@service::uuid is null or d.service_id = @service)
  and (@state::text = 'all' or d.decision = @state)
