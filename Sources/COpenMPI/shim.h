#include <mpi.h>

// What MPI defines as macros, which Swift does not see, for the one communicator of all processes.

// Starts MPI for this process. `serialized` is set to 0 where this MPI may only be called from the
// thread that started it.
static inline int openmpi_start(int *serialized) {
  int level = MPI_THREAD_SINGLE;
  int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
  *serialized = level >= MPI_THREAD_SERIALIZED;
  // By default MPI ends the program when a call of it fails.
  return code != MPI_SUCCESS ? code : MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

static inline int openmpi_rank(int *rank) { return MPI_Comm_rank(MPI_COMM_WORLD, rank); }

static inline int openmpi_size(int *size) { return MPI_Comm_size(MPI_COMM_WORLD, size); }

// Sends bytes to one process while it receives from another; a process number below 0 stands for
// none. `received` is set to the number of bytes that came.
static inline int openmpi_exchange(
    const void *outgoing, int outgoing_bytes, int destination, void *incoming, int incoming_bytes,
    int source, int *received) {
  MPI_Status status;
  int code = MPI_Sendrecv(
      outgoing, outgoing_bytes, MPI_BYTE, destination < 0 ? MPI_PROC_NULL : destination, 0, incoming,
      incoming_bytes, MPI_BYTE, source < 0 ? MPI_PROC_NULL : source, 0, MPI_COMM_WORLD, &status);
  return code != MPI_SUCCESS ? code : MPI_Get_count(&status, MPI_BYTE, received);
}

// Ends all processes. Returns only if that fails.
static inline int openmpi_abort(int status) { return MPI_Abort(MPI_COMM_WORLD, status); }

static inline int openmpi_is_success(int code) { return code == MPI_SUCCESS; }

enum { openmpi_text_bytes = MPI_MAX_ERROR_STRING + MPI_MAX_PROCESSOR_NAME };

// What a return code means; nothing is written where MPI does not know it.
static inline void openmpi_error_text(int code, char text[openmpi_text_bytes]) {
  int length = 0;
  text[0] = 0;
  MPI_Error_string(code, text, &length);
}

static inline void openmpi_host(char text[openmpi_text_bytes]) {
  int length = 0;
  text[0] = 0;
  MPI_Get_processor_name(text, &length);
}
