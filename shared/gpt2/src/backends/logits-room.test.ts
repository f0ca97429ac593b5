import { expect, it } from 'vitest';
import { LogitsRoom } from './logits-room.ts';

it('gives as many rows as are asked for, in the same room as long as it is large enough, and then in twice as much', () => {
  const room = new LogitsRoom(5);
  expect(room.rowsOf(room.forRows(0))).toEqual([]);
  const three = room.forRows(3);
  three.set(Array.from({ length: 15 }, (_, i) => i));
  expect(room.rowsOf(three).map((row) => [...row])).toEqual([
    [0, 1, 2, 3, 4],
    [5, 6, 7, 8, 9],
    [10, 11, 12, 13, 14],
  ]);
  expect(room.forRows(2).buffer).toBe(three.buffer);
  const four = room.forRows(4);
  expect(four).toHaveLength(20);
  expect(four.buffer).not.toBe(three.buffer);
  expect(room.forRows(6).buffer).toBe(four.buffer);
  expect(room.forRows(7).buffer).not.toBe(four.buffer);
});
