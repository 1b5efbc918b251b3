/* The native engine's driver: libFuzzer inside a Python process, with a Python function as what is fuzzed.
 *
 * It is linked with clang's libFuzzer (without its main) into one extension module, which must be loaded with its symbols
 * global before the instrumented modules of the package are: they register their counters with what is in here.
 *
 * Rules that hold here:
 *
 * - An input that was run lately is not run again and not counted: `executions` are inputs that differ from the
 *   millions before them, `skipped` are the others. `distinct` is an estimate over the whole run (HyperLogLog, 0.8 %).
 * - The input at work is kept in a mapped file, in the layout of `fuzz.worker.LastInput`.
 * - Most mutations are libFuzzer's own, in C; once in so many times the Python mutator is asked.
 * - With `variants`, every input of libFuzzer's is preceded by so many variants of it that are made here, because what
 *   libFuzzer does around an input takes as long as a load. A variant that reaches a branch that none before it has
 *   reached is written to the corpus, from where libFuzzer takes it up; of any other, libFuzzer hears nothing.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *data, size_t size));
extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

#define ROOM ((size_t)1 << 20)
#define RECENT_BITS 23
#define SKETCH_BITS 14

static PyObject *check_function, *mutate_function, *end_function;
static unsigned long long executions, skipped;
static unsigned mutate_one_in = 8;
static uint64_t *recent;
static uint8_t sketch[1 << SKETCH_BITS];
static uint8_t *last_input;

static uint64_t mixed(uint64_t hash) {
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdULL;
    hash ^= hash >> 33;
    hash *= 0xc4ceb9fe1a85ec53ULL;
    return hash ^ (hash >> 33);
}

static uint64_t hash_of(const uint8_t *data, size_t size) {
    uint64_t hash = 0x9e3779b97f4a7c15ULL ^ size, word;
    for (; size >= 8; data += 8, size -= 8) {
        memcpy(&word, data, 8);
        hash = mixed(hash ^ word) + 0x9e3779b97f4a7c15ULL;
    }
    word = 0;
    memcpy(&word, data, size);
    return mixed(hash ^ word);
}

/* -- what has been reached ------------------------------------------------------------------------------------------ */

#define MODULES 256

/* libFuzzer's own, under the name that it was given when this was linked. */
extern void libfuzzer_counters_init(uint8_t *start, uint8_t *stop);

static struct {
    uint8_t *start;
    size_t size;
    uint8_t *reached;
} modules[MODULES];
static size_t module_count;

/* Every instrumented module calls this when it is loaded. */
__attribute__((visibility("default"))) void __sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *stop) {
    libfuzzer_counters_init(start, stop);
    if (start == stop || module_count >= MODULES)
        return;
    for (size_t index = 0; index < module_count; index++)
        if (modules[index].start == start)
            return;
    size_t size = (size_t)(stop - start);
    uint8_t *reached = calloc(size + 8, 1);
    if (!reached)
        return;
    modules[module_count].start = start;
    modules[module_count].size = size;
    modules[module_count++].reached = reached;
}

/* Whether a counter is set that never was before; all that are set count as reached from now on. */
static int reaches_more(void) {
    int more = 0;
    for (size_t module = 0; module < module_count; module++) {
        const uint8_t *counters = modules[module].start;
        uint8_t *reached = modules[module].reached;
        size_t size = modules[module].size, index = 0;
        uint64_t word;
        for (; index + 8 <= size; index += 8) {
            memcpy(&word, counters + index, 8);
            if (!word)
                continue;
            for (size_t byte = index; byte < index + 8; byte++)
                if (counters[byte] && !reached[byte])
                    more = reached[byte] = 1;
        }
        for (; index < size; index++)
            if (counters[index] && !reached[index])
                more = reached[index] = 1;
    }
    return more;
}

static void clear_counters(void) {
    for (size_t module = 0; module < module_count; module++)
        memset(modules[module].start, 0, modules[module].size);
}

/* -- variants ------------------------------------------------------------------------------------------------------- */

#define LONGEST 4096

static unsigned variants, longest = LONGEST;
/* Words: opcodes, names, lengths, whole idioms; and the corpus as it was given, to splice with. */
static struct pieces {
    const char **start;
    size_t *size;
    size_t count;
} words, pool;
static const char *folder = "";
static uint64_t random_state = 1;

static uint64_t below(uint64_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint64_t)(((__uint128_t)(random_state * 0x2545F4914F6CDD1DULL) * bound) >> 64);
}

/* Put some bytes in the place of others; what does not fit falls off the end. */
static size_t put(uint8_t *data, size_t size, size_t at, size_t gone, const void *piece, size_t length) {
    uint8_t rest[LONGEST];
    size_t left = size - at - gone;
    memcpy(rest, data + at + gone, left);
    if (at + length > longest)
        length = longest - at;
    memmove(data + at, piece, length);
    if (at + length + left > longest)
        left = longest - at - length;
    memcpy(data + at + length, rest, left);
    return at + length + left;
}

static size_t varied(uint8_t *data, size_t size) {
    static const uint8_t edges[] = {0, 1, 2, 4, 5, 127, 128, 254, 255};
    for (uint64_t rounds = 1 + below(3) * below(2); rounds--;) {
        size_t at = below(size + 1), length = below(size - at < 12 ? size - at + 1 : 12);
        struct pieces *from = below(6) && words.count ? &words : &pool;
        size_t which = from->count ? below(from->count) : 0;
        switch (below(9)) {
        case 0:
            if (at < size)
                data[at] ^= (uint8_t)(1 << below(8));
            break;
        case 1:
            if (at < size)
                data[at] = (uint8_t)below(256);
            break;
        case 2:
            if (at < size)
                data[at] = edges[below(sizeof edges)];
            break;
        case 3:
            size = put(data, size, at, length, "", 0);
            break;
        case 4: {
            uint8_t again[12];
            memcpy(again, data + at, length);
            size = put(data, size, below(size + 1), 0, again, length);
            break;
        }
        case 5:
            if (from->count && at < size)
                size = put(data, size, at, from->size[which] < size - at ? from->size[which] : size - at,
                           from->start[which], from->size[which]);
            break;
        default:
            if (from->count)
                size = put(data, size, at, 0, from->start[which], from->size[which]);
        }
    }
    return size;
}

/* Whether the input is one of those run lately; it is one of them from now on. */
static int seen(const uint8_t *data, size_t size) {
    uint64_t hash = hash_of(data, size);
    uint64_t *place = &recent[hash >> (64 - RECENT_BITS)];
    if (*place == hash)
        return 1;
    *place = hash;
    uint64_t rest = (hash << SKETCH_BITS) | 1;
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    uint8_t *cell = &sketch[hash >> (64 - SKETCH_BITS)];
    if (rank > *cell)
        *cell = rank;
    return 0;
}

static int run_once(const uint8_t *data, size_t size) {
    if (seen(data, size)) {
        skipped++;
        return 0;
    }
    executions++;
    if (last_input) {
        size_t kept = size < ROOM - 8 ? size : ROOM - 8;
        uint64_t length = kept;
        memcpy(last_input, &length, 8);
        memcpy(last_input + 8, data, kept);
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    PyObject *result = bytes ? PyObject_CallOneArg(check_function, bytes) : NULL;
    Py_XDECREF(bytes);
    if (!result) {
        PyErr_Print();
        _exit(70);
    }
    Py_DECREF(result);
    return 1;
}

/* Write a variant where libFuzzer looks for new entries, and forget that it was run: it will be run again. */
static void keep(const uint8_t *data, size_t size) {
    char path[4200];
    uint64_t hash = hash_of(data, size);
    recent[hash >> (64 - RECENT_BITS)] = 0;
    snprintf(path, sizeof path, "%s/%016llx", folder, (unsigned long long)hash);
    FILE *file = fopen(path, "wb");
    if (file) {
        fwrite(data, 1, size, file);
        fclose(file);
    }
}

static int run_one(const uint8_t *data, size_t size) {
    uint8_t variant[LONGEST];
    for (unsigned left = size <= longest ? variants : 0; left; left--) {
        memcpy(variant, data, size);
        size_t length = varied(variant, size);
        if (run_once(variant, length) && reaches_more())
            keep(variant, length);
        clear_counters();
    }
    run_once(data, size);
    if (variants)
        reaches_more();
    return 0;
}

__attribute__((visibility("default"))) size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most,
                                                                      unsigned seed) {
    if (!mutate_function || mixed(seed) % mutate_one_in)
        return LLVMFuzzerMutate(data, size, most);
    PyObject *made = PyObject_CallFunction(mutate_function, "y#nI", (const char *)data, (Py_ssize_t)size,
                                           (Py_ssize_t)most, seed);
    char *content;
    Py_ssize_t length;
    if (!made || PyBytes_AsStringAndSize(made, &content, &length) < 0) {
        PyErr_Print();
        _exit(70);
    }
    if ((size_t)length > most)
        length = (Py_ssize_t)most;
    memcpy(data, content, (size_t)length);
    Py_DECREF(made);
    return (size_t)length;
}

/* libFuzzer ends the process itself when it is done. */
static void at_end(void) {
    if (!end_function)
        return;
    PyObject *result = PyObject_CallNoArgs(end_function);
    if (!result)
        PyErr_Print();
    Py_XDECREF(result);
}

static int map_last(const char *path) {
    int file = open(path, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, (off_t)ROOM) < 0)
        return -1;
    void *place = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (place == MAP_FAILED)
        return -1;
    last_input = place;
    return 0;
}

static int take(PyObject *list, struct pieces *into) {
    size_t count = (size_t)PyList_GET_SIZE(list);
    into->start = calloc(count + 1, sizeof *into->start);
    into->size = calloc(count + 1, sizeof *into->size);
    if (!into->start || !into->size)
        return -1;
    for (size_t index = 0; index < count; index++) {
        char *start;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyList_GET_ITEM(list, (Py_ssize_t)index), &start, &size) < 0)
            return -1;
        into->start[index] = start;
        into->size[index] = (size_t)size;
    }
    into->count = count;
    Py_INCREF(list);
    return 0;
}

static PyObject *vary(PyObject *module, PyObject *args, PyObject *keywords) {
    static char *names[] = {"count", "words", "pool", "folder", "most", "seed", NULL};
    PyObject *given_words, *given_pool;
    unsigned long long seed;
    const char *place;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "IO!O!sIK", names, &variants, &PyList_Type, &given_words,
                                     &PyList_Type, &given_pool, &place, &longest, &seed))
        return NULL;
    if (longest > LONGEST)
        longest = LONGEST;
    random_state = mixed(seed + 1) | 1;
    if (take(given_words, &words) < 0 || take(given_pool, &pool) < 0 || !(folder = strdup(place)))
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *run(PyObject *module, PyObject *args, PyObject *keywords) {
    static char *names[] = {"arguments", "check", "end", "mutate", "mutate_one_in", "last", NULL};
    PyObject *arguments, *check, *end, *mutate = Py_None;
    const char *last = "";
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!OO|OIs", names, &PyList_Type, &arguments, &check, &end, &mutate,
                                     &mutate_one_in, &last))
        return NULL;
    if (*last && map_last(last) < 0)
        return PyErr_SetFromErrnoWithFilename(PyExc_OSError, last);
    recent = calloc((size_t)1 << RECENT_BITS, sizeof *recent);
    int count = (int)PyList_GET_SIZE(arguments);
    char **values = calloc((size_t)count + 1, sizeof *values);
    if (!recent || !values)
        return PyErr_NoMemory();
    for (int index = 0; index < count; index++) {
        const char *text = PyUnicode_AsUTF8(PyList_GET_ITEM(arguments, index));
        if (!text || !(values[index] = strdup(text)))
            return NULL;
    }
    check_function = Py_NewRef(check);
    end_function = Py_NewRef(end);
    mutate_function = mutate == Py_None || !mutate_one_in ? NULL : Py_NewRef(mutate);
    atexit(at_end);
    return PyLong_FromLong(LLVMFuzzerRunDriver(&count, &values, run_one));
}

static PyObject *counts(PyObject *module, PyObject *unused) {
    double sum = 0, cells = 1 << SKETCH_BITS, empty = 0;
    for (size_t index = 0; index < sizeof sketch; index++) {
        sum += ldexp(1.0, -sketch[index]);
        empty += !sketch[index];
    }
    double distinct = 0.7213 / (1 + 1.079 / cells) * cells * cells / sum;
    if (empty && distinct < 2.5 * cells)
        distinct = cells * log(cells / empty);
    return Py_BuildValue("(KKK)", executions, skipped, (unsigned long long)distinct);
}

static PyObject *mutate_bytes(PyObject *module, PyObject *args) {
    const char *data;
    Py_ssize_t size, most;
    if (!PyArg_ParseTuple(args, "y#n", &data, &size, &most))
        return NULL;
    PyObject *made = PyBytes_FromStringAndSize(NULL, most > size ? most : size);
    if (!made)
        return NULL;
    memcpy(PyBytes_AS_STRING(made), data, (size_t)size);
    size_t length = LLVMFuzzerMutate((uint8_t *)PyBytes_AS_STRING(made), (size_t)size, (size_t)(most > size ? most : size));
    _PyBytes_Resize(&made, (Py_ssize_t)length);
    return made;
}

static PyMethodDef methods[] = {
    {"run", (PyCFunction)(void (*)(void))run, METH_VARARGS | METH_KEYWORDS, "Fuzz; libFuzzer ends the process."},
    {"vary", (PyCFunction)(void (*)(void))vary, METH_VARARGS | METH_KEYWORDS, "Have variants of every input run."},
    {"counts", counts, METH_NOARGS, "Return executions, inputs skipped as run lately, and distinct inputs (estimate)."},
    {"mutate", mutate_bytes, METH_VARARGS, "Mutate bytes as libFuzzer does."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "fuzz_driver", NULL, -1, methods, NULL, NULL, NULL, NULL};

__attribute__((visibility("default"))) PyObject *PyInit_fuzz_driver(void) { return PyModule_Create(&definition); }
