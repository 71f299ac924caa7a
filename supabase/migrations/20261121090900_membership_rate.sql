-- Changes of a membership count among what a user may write: each is an event to all members of a room.

-- Counts a write of a user, and says whether he made too many. Before any lock of a room, as in edge_sockets.post: two
-- calls that lock users and rooms in one order do not wait for each other.
create function edge_sockets.writes_too_much(writer uuid) returns boolean
language sql volatile set search_path = ''
return case when writer is null then false else writer = any (edge_sockets.count_writes(
  jsonb_build_array(jsonb_build_object('actor', jsonb_build_object('id', writer))))) end;

-- As before, but that each call of a user counts.
create or replace function edge_sockets.require_moderator(room text) returns text
language plpgsql set search_path = '' as $$
declare
  r public.rooms;
  caller_role text;
begin
  if not edge_sockets.is_server() and edge_sockets.writes_too_much(edge_sockets.require_user()) then
    perform edge_sockets.value_of(edge_sockets.refusal('rate_limited'));
  end if;
  select * into r from public.rooms where id = require_moderator.room for no key update;
  if edge_sockets.is_server() then
    caller_role := 'owner';
  else
    select rm.role into caller_role from public.room_members rm
      where rm.room_id = r.id and rm.user_id = edge_sockets.require_user();
  end if;
  if r.id is null or (caller_role is null and r.kind <> 'public') then
    perform edge_sockets.value_of(edge_sockets.refusal('room_not_found'));
  elsif r.kind = 'dm' or caller_role is null then
    perform edge_sockets.value_of(edge_sockets.refusal('forbidden'));
  end if;
  return caller_role;
end $$;

-- To come in counts as well; to come back to a room that one is in does not.
alter function public.chat_join(uuid, text, boolean) set schema edge_sockets;
revoke all on function edge_sockets.chat_join(uuid, text, boolean) from service_role;

create function public.chat_join(member uuid, room text, create_rooms boolean) returns json
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  perform edge_sockets.require_server();
  if not exists (
      select from public.room_members rm where rm.room_id = chat_join.room and rm.user_id = chat_join.member
    ) and edge_sockets.writes_too_much(member)
  then
    return edge_sockets.refusal('rate_limited');
  end if;
  return edge_sockets.chat_join(member, room, create_rooms);
end $$;
revoke all on function public.chat_join(uuid, text, boolean) from public, anon, authenticated, service_role;
grant execute on function public.chat_join(uuid, text, boolean) to service_role;
