// A few threads that share out independent tasks.
#pragma once

#include <cstdint>
#include <functional>

namespace rnn2vec {

// Run action(0) .. action(tasks - 1), in any order, on at most `threads` threads, this one included. A thread begins with
// the same tasks in each call of as many, in ascending or descending order.
// An exception in a task is thrown again here, once all threads are done.
void run_tasks(int threads, std::int64_t tasks, const std::function<void(std::int64_t)>& action,
               bool backwards = false);

}  // namespace rnn2vec
