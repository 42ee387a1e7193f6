#include "pool.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace rnn2vec {
namespace {

class Pool {
 public:
  std::mutex busy;  // held by the caller that is being served

  void run(int threads, std::int64_t tasks, const std::function<void(std::int64_t)>& action) {
    {
      std::lock_guard lock(mutex_);
      action_ = &action;
      tasks_ = tasks;
      next_ = 0;
      error_ = nullptr;
      seats_ = threads - 1;
      for (; started_ < seats_; ++started_) std::thread([this] { serve(); }).detach();
      ++calls_;
    }
    wake_.notify_all();
    drain();
    std::unique_lock lock(mutex_);
    seats_ = 0;  // a thread that wakes up only now has nothing left to do
    done_.wait(lock, [this] { return working_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void serve() {
    std::uint64_t served = 0;
    for (;;) {
      // Calls often follow each other closely, and waking a sleeping thread takes longer than a short call.
      const auto patience = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
      while (calls_ == served && std::chrono::steady_clock::now() < patience) {}
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return calls_ != served; });
      served = calls_;
      if (seats_ == 0) continue;
      --seats_;
      ++working_;
      lock.unlock();
      drain();
      lock.lock();
      if (--working_ == 0) done_.notify_one();
    }
  }

  void drain() {
    try {
      for (std::int64_t task; (task = next_++) < tasks_;) (*action_)(task);
    } catch (...) {
      std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      next_ = tasks_;
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::int64_t> next_{0};
  const std::function<void(std::int64_t)>* action_ = nullptr;
  std::int64_t tasks_ = 0;
  std::exception_ptr error_;
  int seats_ = 0, working_ = 0, started_ = 0;
};

// Never destroyed: its threads sleep until the process ends. A forked child has none of them and starts its own.
std::atomic<Pool*> shared{nullptr};

Pool& pool() {
  static std::mutex first;
  if (Pool* present = shared) return *present;
  std::lock_guard lock(first);
  if (!shared) {
#ifndef _WIN32
    static const int registered = pthread_atfork(nullptr, nullptr, [] { shared = nullptr; });
    (void)registered;
#endif
    shared = new Pool;
  }
  return *shared;
}

}  // namespace

void run_tasks(int threads, std::int64_t tasks, const std::function<void(std::int64_t)>& action) {
  threads = static_cast<int>(std::min<std::int64_t>(threads, tasks));
  if (threads > 1) {
    Pool& own = pool();
    std::unique_lock turn(own.busy, std::try_to_lock);
    if (turn) return own.run(threads, tasks, action);
  }
  for (std::int64_t task = 0; task < tasks; ++task) action(task);  // alone, or the pool serves another thread
}

}  // namespace rnn2vec
