use super::*;

fn pieces(all: impl IntoIterator<Item = Bytes>) -> Pieces {
    let mut pieces = Pieces::default();
    for piece in all {
        pieces.push(&piece, u64::MAX, &mut ()).unwrap();
    }
    pieces
}

#[test]
fn a_body_that_comes_byte_by_byte_is_held_in_few_pieces() {
    let body: Bytes = (0..64_u32 << 10).map(|number| (number % 251) as u8).collect();
    // Pieces of one buffer, as a reader cuts them, and pieces with a buffer each.
    let cut = (0..body.len()).map(|at| body.slice(at..=at));
    let apart = body.iter().map(|byte| Bytes::from(vec![*byte]));
    for held in [pieces(cut), pieces(apart)] {
        assert_eq!(held.length, body.len() as u64);
        assert!(held.queue.iter().eq(body.chunks(SMALL)), "in {} pieces", held.queue.len());
    }
}

#[test]
fn a_large_piece_is_kept_as_it_came() {
    let large = Bytes::from(vec![b'x'; SMALL]);
    let held = pieces([large.clone(), large.clone(), Bytes::from_static(b"end")]);
    let addresses: Vec<_> = held.queue.iter().map(|piece| piece.as_ptr()).take(2).collect();
    assert_eq!((addresses, held.queue.len()), (vec![large.as_ptr(); 2], 3));
}
