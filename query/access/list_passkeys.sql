select k.id, k.person_id, p.handle, k.credential_id, k.public_key, k.sign_count, k.aaguid, k.transports, k.attestation_format, k.backup_eligible, k.backed_up,
    coalesce(w.hash, '') as password_hash
from passkey k join person p on p.id = k.person_id and p.status = 'active'
left join password w on w.person_id = p.id
where p.site = $1 and k.person_id = $2 and k.cloned_at is null
order by k.created_at, k.id
