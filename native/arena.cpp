#include "arena.h"

#include <cstdlib>
#include <new>

namespace upweave {
namespace {

struct Memory {
    void* at = nullptr;
    size_t size = 0;
    ~Memory() { std::free(at); }
};

thread_local Memory memory;

}  // namespace

void* arena(size_t bytes) {
    if (bytes > memory.size) {
        std::free(memory.at);
        memory.at = nullptr;
        memory.size = 0;
        const size_t page = 4096, size = (bytes + page - 1) / page * page;
        memory.at = std::aligned_alloc(page, size);
        if (!memory.at) throw std::bad_alloc();
        memory.size = size;
    }
    return memory.at;
}

}  // namespace upweave
