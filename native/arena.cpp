#include "arena.h"

#include <cstdlib>
#include <new>

#include "huge_pages.h"

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
        if (posix_memalign(&memory.at, size < HUGE_PAGE ? page : HUGE_PAGE, size)) throw std::bad_alloc();
        huge_pages(memory.at, size);
        memory.size = size;
    }
    return memory.at;
}

}  // namespace upweave
